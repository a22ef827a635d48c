/** A door on a free port, with a client for it. */
import { ManualClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import type { FileStore } from "#sharing/storage/file-store.ts";
import { pageOrigins } from "../cors.ts";
import { createS3Server } from "../server.ts";
import { MemoryFileStore } from "./memory-file-store.ts";
import { S3Client } from "./s3-client.ts";

export const CREDENTIALS = {
  accessKey: "AKIAIOSFODNN7EXAMPLE",
  secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
export const REGION = "us-east-1";
export const ORIGIN = "http://127.0.0.1:8420";

export interface OpenDoor {
  /** The door's own; it stands at the time of opening until it is moved. */
  readonly clock: ManualClock;
  readonly files: FileStore;
  readonly port: number;
  readonly client: S3Client;
  close(): Promise<void>;
}

export function openDoor(): Promise<OpenDoor> {
  return openDoorOver(new MemoryFileStore(new ManualClock(Date.now())), async () => undefined);
}

export async function openDoorOver(files: FileStore, closeFiles: () => Promise<void>): Promise<OpenDoor> {
  const clock = new ManualClock(Date.now());
  const door = createS3Server({
    files,
    credentials: [CREDENTIALS],
    region: REGION,
    clock,
    log: silentLogger,
    corsOrigins: pageOrigins(ORIGIN),
    baseDomains: ["localhost"],
  });
  const { port } = await door.listen({ host: "127.0.0.1", port: 0 });
  const client = new S3Client({ port, credentials: CREDENTIALS, region: REGION, now: () => clock.now() });
  const close = async () => {
    await door.close();
    await closeFiles();
  };
  return { clock, files, port, client, close };
}
