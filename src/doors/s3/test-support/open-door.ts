/** A door over a store in memory, listening on a free port, with a client for it. */

import { ManualClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { createS3Server } from "../server.ts";
import { MemoryFileStore } from "./memory-file-store.ts";
import { S3Client } from "./s3-client.ts";

export const CREDENTIALS = {
  accessKey: "AKIAIOSFODNN7EXAMPLE",
  secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
export const REGION = "us-east-1";
export const ORIGIN = "http://127.0.0.1:8420";

export async function openDoor(now = Date.now()) {
  const clock = new ManualClock(now);
  const files = new MemoryFileStore(clock);
  const door = createS3Server({
    files,
    credentials: [CREDENTIALS],
    region: REGION,
    clock,
    log: silentLogger,
    corsOrigins: [ORIGIN],
    baseDomains: ["localhost"],
  });
  const { port, url } = await door.listen({ host: "127.0.0.1", port: 0 });
  const client = new S3Client({ port, credentials: CREDENTIALS, region: REGION, now: () => clock.now() });
  return { clock, files, port, url, client, close: () => door.close() };
}
