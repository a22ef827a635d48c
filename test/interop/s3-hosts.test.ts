import { test } from "node:test";
import { NO_S3_CLIENTS } from "./s3-clients.ts";
import { storageHosts } from "./s3-hosts.ts";

test("32 MiB at sixteen hosts outlives eight of its twelve, and is repaired", {
  skip: NO_S3_CLIENTS,
  timeout: 600_000,
}, async (t) => {
  const seed = Number(process.env["FREEHOLD_SEED"] ?? Date.now() % 1_000_000);
  const say = (line: string) => t.diagnostic(line);
  await storageHosts({ megabytes: 32, seed, maxRss: 400e6, say });
});
