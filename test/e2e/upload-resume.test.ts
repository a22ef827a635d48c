/** A long upload whose sharing process is killed in the middle: the same command goes on where it stood. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { elementText } from "#doors/s3/test-support/s3-client.ts";
import { type DemoPeer, until } from "../../demo/peer.ts";
import { sharingPidOf } from "../support/sharing-pid.ts";
import { befriend, lendDisks, PATIENCE, s3, seesFriends, withPeers } from "./words-restore-world.ts";

const MIB = 1024 ** 2;
const PART = 16 * MIB;

/** Parts of the first upload under way that hosts have receipted. */
async function partsThere(peer: DemoPeer): Promise<number[]> {
  const uploads = await s3(peer, "GET", "/long?uploads");
  const id = elementText(uploads.text, "UploadId");
  if (uploads.status !== 200 || id === undefined) return [];
  const list = await s3(peer, "GET", `/long/file?uploadId=${id}`);
  return [...list.text.matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => Number(number));
}

test("a put whose sharing process is killed goes on where it stood, and sends nothing twice", (t) =>
  withPeers(t, async (folder) => {
    const owner = await folder.peer("Owner");
    const hosts = [await folder.peer("Bob"), await folder.peer("Carol")];
    await befriend([owner, ...hosts]);
    await lendDisks(hosts);
    await seesFriends(owner, 2, "storage");
    const path = join(folder.parent, "file");
    // Long enough that it is still on its way when its first part is seen to be there.
    const bytes = new SeededRandom(7).fill(new Uint8Array(6 * PART + 3 * MIB));
    await writeFile(path, bytes);
    const put = owner.freehold(["files", "put", path, "long/file"]).then(
      () => "it was stored before it could be cut",
      (error: Error) => error.message,
    );
    const before = await until(
      async () => {
        const there = await partsThere(owner).catch(() => []);
        return there.length >= 1 ? there : undefined;
      },
      "a part",
      PATIENCE,
    );
    const main = Number(await readFile(join(owner.folder, "regtest", "bitcoind.pid"), "utf8"));
    process.kill(sharingPidOf(main)!, "SIGKILL");
    assert.match(await put, /run the same command again/);
    await owner.sharing();
    await seesFriends(owner, 2, "storage");
    const after = await until(
      async () => await partsThere(owner).catch(() => undefined),
      "the list of parts",
      PATIENCE,
    );
    assert.deepEqual(
      before.filter((part) => !after.includes(part)),
      [],
      "what was receipted is there",
    );
    const again = await until(
      () =>
        owner
          .ask<{ resumed?: number }>("files", "put", path, "long/file")
          // Deals with hosts may still be on their way back.
          .catch((error: Error) => (/hosts/.test(error.message) ? undefined : Promise.reject(error))),
      "the second put",
      PATIENCE,
    );
    assert.ok((again.resumed ?? 0) >= after.length * PART, JSON.stringify({ again, after }));
    const back = join(folder.parent, "back");
    await owner.freehold(["files", "get", "long/file", back]);
    const hash = (data: Uint8Array) => createHash("sha256").update(data).digest("hex");
    assert.equal(hash(await readFile(back)), hash(bytes));
    assert.deepEqual(await partsThere(owner), []);
    t.diagnostic(
      `${before.length} parts were receipted at the kill, ${again.resumed! / MIB} MiB not sent again`,
    );
  }));
