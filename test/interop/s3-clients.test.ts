/** Other people's S3 clients against the door: over a store in memory, and over files at twelve hosts. */
import { type TestContext, test } from "node:test";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { createS3Server } from "#doors/s3/server.ts";
import { MemoryFileStore } from "#doors/s3/test-support/memory-file-store.ts";
import type { FileStore } from "#sharing/storage/file-store.ts";
import { Circle } from "#sharing/storage/files/test-circle.ts";
import {
  checkAws,
  checkAwsApi,
  checkRclone,
  checkRestic,
  checkS3cmd,
  NO_S3_CLIENTS,
  S3Tools,
} from "./s3-clients.ts";

const OPTIONS = { skip: NO_S3_CLIENTS, timeout: 300_000 };

async function openTools(
  t: TestContext,
  files: FileStore = new MemoryFileStore(systemClock),
): Promise<S3Tools> {
  const credentials = { accessKey: "AKIAFREEHOLDTEST0001", secretKey: "a-secret/with+odd=letters" };
  const region = "us-east-1";
  const door = createS3Server({
    files,
    credentials: [credentials],
    region,
    clock: systemClock,
    log: silentLogger,
    corsOrigins: [],
    baseDomains: ["localhost"],
  });
  t.after(() => door.close());
  const { url } = await door.listen({ host: "127.0.0.1", port: 0 });
  return await S3Tools.open(t, { url, region, ...credentials });
}

test("Debian's awscli 2", OPTIONS, async (t) => {
  const tools = await openTools(t);
  await Promise.all([checkAws(tools, "aws2"), checkAwsApi(tools, "aws2")]);
});
test("pip's awscli 1, whose botocore sends checksums", OPTIONS, async (t) =>
  checkAws(await openTools(t), "aws1"),
);

test("s3cmd", OPTIONS, async (t) => checkS3cmd(await openTools(t)));
test("rclone and restic over files at twelve hosts", OPTIONS, async (t) => {
  const circle = await Circle.start({ hosts: 12 });
  t.after(() => circle.stop());
  const { files } = await circle.owner();
  const tools = await openTools(t, files);
  await checkRclone(tools);
  await checkRestic(tools);
});
