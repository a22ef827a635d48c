import { test } from "node:test";
import { NO_S3_CLIENTS } from "./s3-clients.ts";
import { storageHosts } from "./s3-hosts.ts";

test("64 MiB at sixteen hosts outlives eight of its twelve, and is repaired", {
  skip: NO_S3_CLIENTS,
  timeout: 600_000,
}, async (t) => {
  const seed = Number(process.env["FREEHOLD_SEED"] ?? Date.now() % 1_000_000);
  await storageHosts({ megabytes: 64, seed, say: (line) => t.diagnostic(line) });
});
