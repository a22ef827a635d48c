import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SeededRandom } from "#base/lib/random.ts";
import type { DemoPeer } from "../peer.ts";
import { until } from "../peer.ts";
import { byteText, chapter, dim, green, orange, say } from "../terminal.ts";

export const BUCKET = "holiday";

interface FilesStatus {
  readonly objects: number;
  readonly bytes: number;
  readonly shards: {
    readonly stored: number;
    readonly unproven: number;
    readonly lost: number;
    readonly repairing: number;
  };
}

/** A folder as a person may have it: a picture-sized file, a film-sized one, and a note. */
async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  const random = new SeededRandom(7);
  await writeFile(join(path, "sunset.raw"), random.fill(new Uint8Array(900_000)));
  await writeFile(join(path, "walk.film"), random.fill(new Uint8Array(3_000_000)));
  await writeFile(join(path, "diary.txt"), "We owned the evening. Nobody rented it to us.\n");
}

async function hashes(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of (await readdir(folder)).sort()) {
    found[name] = createHash("sha256")
      .update(await readFile(join(folder, name)))
      .digest("hex");
  }
  return found;
}

/** Everyone but the owner lends disk space. */
export async function openHosts(hosts: readonly DemoPeer[]): Promise<void> {
  for (const host of hosts) await host.api.post("/host/start", { limitBytes: 256 * 2 ** 20 });
}

/** Bob's folder over his friends' disks; one of them dies, the files are read all the same, and repair makes good. */
export async function storeAndLose(
  bob: DemoPeer,
  hosts: readonly DemoPeer[],
  victim: DemoPeer,
): Promise<void> {
  chapter(`${bob.name} stores a folder on friends' disks`);
  await openHosts(hosts);
  const folder = join(bob.folder, "holiday");
  await makeFolder(folder);
  const before = await hashes(folder);
  await until(async () => {
    const peers =
      await bob.api.get<readonly { readonly offers: Readonly<Record<string, unknown>> }[]>("/peers");
    return peers.filter(({ offers }) => "storage" in offers).length === hosts.length ? true : undefined;
  }, "their offers of disk space");
  const started = Date.now();
  await bob.freehold(["files", "put", folder, `${BUCKET}/`]);
  const status = await bob.api.get<FilesStatus>("/files");
  say(
    `  ${status.objects} files, ${byteText(status.bytes)}, encrypted and cut into ${status.shards.stored + status.shards.unproven} shards in ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
  say(`  ${dim(`no host can read them; ${bob.name}'s 24 words and one friend bring everything back`)}`);

  chapter(`${victim.name}'s machine dies`);
  await victim.kill();
  const repairing = Date.now();
  // Looked at from now on: repair may be done before all is read back.
  const repaired = repair(bob);
  repaired.catch(() => undefined);
  const copy = join(bob.folder, "read-back");
  await bob.freehold(["files", "get", `${BUCKET}/`, copy]);
  const after = await hashes(join(copy, "holiday"));
  if (JSON.stringify(after) !== JSON.stringify(before)) throw new Error("the files are not what they were");
  say(`  ${green("every file reads back, bit for bit")}, from the friends who are left`);
  const lost = await repaired;
  say(
    `  ${orange(`${lost} shards were lost`)} with ${victim.name}; repair made them anew on the others in ${((Date.now() - repairing) / 1000).toFixed(1)} s`,
  );
}

/** Waits until shards that are lost are made anew. @returns how many were lost at a time */
async function repair(owner: DemoPeer): Promise<number> {
  let lost = 0;
  return await until(async () => {
    const { shards } = await owner.api.get<FilesStatus>("/files");
    lost = Math.max(lost, shards.lost + shards.repairing);
    return lost > 0 && shards.lost === 0 && shards.repairing === 0 ? lost : undefined;
  }, "repair");
}
