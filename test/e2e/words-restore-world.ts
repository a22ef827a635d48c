/** Peers of one circle, what one of them owns, and how it is read through its own doors: all of it, byte for byte. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { SeededRandom } from "#base/lib/random.ts";
import { elementText, type S3Answer, type S3Call, S3Client } from "#doors/s3/test-support/s3-client.ts";
import { DemoPeer, until } from "../../demo/peer.ts";

/** Seconds that anything may take on a machine that does other things too. */
export const PATIENCE = 180;
/** Space that each host lends. */
const HOST_BYTES = 512 * 2 ** 20;

/** Hands over a folder for peers, which are killed and it removed at the end. A failure tells what they said last. */
export async function withPeers(t: TestContext, story: (folder: PeerFolder) => Promise<void>): Promise<void> {
  const folder = new PeerFolder(await mkdtemp(join(tmpdir(), "freehold-restore-")));
  try {
    await story(folder);
  } catch (error) {
    for (const line of await folder.lastWords()) t.diagnostic(line);
    throw error;
  } finally {
    await folder.close();
  }
}

export class PeerFolder {
  readonly parent: string;
  readonly #peers: DemoPeer[] = [];

  constructor(parent: string) {
    this.parent = parent;
  }

  /** A node that runs and has no wallet yet. */
  async peer(name: string, ...options: string[]): Promise<DemoPeer> {
    const peer = await DemoPeer.create(name, { parent: this.parent, options });
    this.#peers.push(peer);
    await peer.start();
    return peer;
  }

  /** What each peer's log says last of sharing. */
  async lastWords(): Promise<string[]> {
    return await Promise.all(
      this.#peers.map(async ({ name, folder }) => {
        const log = await readFile(join(folder, "regtest", "debug.log"), "utf8").catch(() => "");
        const lines = log.split("\n").filter((line) => /sharing|error|warn/i.test(line));
        return `${name}:\n${lines.slice(-15).join("\n")}`;
      }),
    );
  }

  async close(): Promise<void> {
    await Promise.all(this.#peers.map((peer) => peer.kill()));
    await rm(this.parent, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Everyone has a wallet of their own and is a friend of everyone; the first one founded the circle. */
export async function befriend(peers: readonly DemoPeer[]): Promise<void> {
  for (const peer of peers) {
    await peer.api.post("/wallet/new", {});
    await peer.sharing();
  }
  const [founder, ...guests] = peers as [DemoPeer, ...DemoPeer[]];
  const body = { uses: peers.length, seconds: 3600 };
  const { link } = await founder.api.post<{ link: string }>("/peers/invitations", body);
  for (const guest of guests) await guest.api.post("/peers", { link });
  for (const peer of peers) await seesFriends(peer, peers.length - 1);
}

interface Peer {
  readonly standing: string;
  readonly connected: boolean;
  readonly offers: Readonly<Record<string, string>>;
}

/** Waits until a peer has so many friends here, each lending what `offer` names. */
export async function seesFriends(peer: DemoPeer, count: number, offer?: string): Promise<void> {
  await until(
    async () => {
      const peers = await peer.api.get<readonly Peer[]>("/peers").catch(() => []);
      const friends = peers.filter(
        ({ standing, connected, offers }) =>
          standing === "friend" && connected && (offer === undefined || offer in offers),
      );
      return friends.length >= count ? true : undefined;
    },
    `${count} friends ${offer === undefined ? "" : `with ${offer} `}around ${peer.name}`,
    PATIENCE,
  );
}

/** Each lends disk space. */
export async function lendDisks(hosts: readonly DemoPeer[]): Promise<void> {
  for (const host of hosts) await host.api.post("/host/start", { limitBytes: HOST_BYTES });
}

/** The multiaddr under which a friend would write a peer down. */
export async function addressOf(peer: DemoPeer): Promise<string> {
  const { sharing } = await peer.api.get<{ sharing: { peer: string; listening: readonly string[] } }>(
    "/status",
  );
  const [address] = sharing.listening as [string];
  return address.includes("/p2p/") ? address : `${address}/p2p/${sharing.peer}`;
}

/** The words that `freehold wallet words` shows. */
export async function wordsOf(peer: DemoPeer): Promise<string> {
  return (await peer.ask<{ words: string }>("wallet", "words", "--yes")).words;
}

/** `freehold wallet restore` on an empty machine, the words on standard input. */
export async function restoreWords(peer: DemoPeer, words: string): Promise<void> {
  await peer.freehold(["wallet", "restore"], `${words}\n`);
  await peer.sharing();
}

/** Sends a request to a peer's S3 door, which may listen elsewhere after each start. */
export async function s3(peer: DemoPeer, method: string, path: string, call: S3Call = {}): Promise<S3Answer> {
  const keys =
    await peer.api.get<Record<"accessKey" | "secretKey" | "endpoint" | "region", string>>("/files/keys");
  const client = new S3Client({
    port: Number(new URL(keys.endpoint).port),
    credentials: keys,
    region: keys.region,
    now: Date.now,
  });
  return await client.send(method, path, call);
}

/** As {@link s3}, once more for as long as the door says that it cannot now. @throws Error on a refusal */
export async function s3Done(
  peer: DemoPeer,
  method: string,
  path: string,
  call: S3Call = {},
): Promise<S3Answer> {
  return await until(
    async () => {
      const answer = await s3(peer, method, path, call);
      if (answer.status < 300) return answer;
      if (answer.status !== 503) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
      await sleep(200);
      return undefined;
    },
    `${method} ${path}`,
    PATIENCE,
  );
}

/** A version as a caller of the door sees it. */
export interface OwnedVersion {
  readonly bucket: string;
  readonly key: string;
  readonly version: string;
  readonly isLatest: boolean;
  /** SHA-256 of its bytes; undefined for a delete marker. */
  readonly hash: string | undefined;
  readonly size: number;
  readonly type: string | undefined;
}

export interface Owned {
  readonly buckets: readonly { readonly name: string; readonly versioning: string }[];
  readonly versions: readonly OwnedVersion[];
}

/** Every bucket and version, delete markers too, each body read whole. */
export async function everything(peer: DemoPeer): Promise<Owned> {
  const list = await s3Done(peer, "GET", "/");
  const names = [...list.text.matchAll(/<Bucket>.*?<Name>([^<]*)<\/Name>.*?<\/Bucket>/gs)].map((m) => m[1]!);
  const buckets = [];
  const versions: OwnedVersion[] = [];
  for (const name of names.sort()) {
    const { text } = await s3Done(peer, "GET", `/${name}?versioning`);
    buckets.push({ name, versioning: elementText(text, "Status") ?? "never" });
    versions.push(...(await versionsOf(peer, name)));
  }
  return { buckets, versions };
}

async function versionsOf(peer: DemoPeer, bucket: string): Promise<OwnedVersion[]> {
  const list = await s3Done(peer, "GET", `/${bucket}?versions`);
  assert.equal(elementText(list.text, "IsTruncated"), "false");
  const found: OwnedVersion[] = [];
  for (const [, kind, xml] of list.text.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)) {
    const key = elementText(xml!, "Key")!;
    const version = elementText(xml!, "VersionId")!;
    const isLatest = elementText(xml!, "IsLatest") === "true";
    const known = { bucket, key, version, isLatest };
    if (kind === "DeleteMarker") {
      found.push({ ...known, hash: undefined, size: 0, type: undefined });
      continue;
    }
    const { bytes, headers } = await s3Done(peer, "GET", `/${bucket}/${key}?versionId=${version}`);
    const hash = createHash("sha256").update(bytes).digest("hex");
    found.push({ ...known, hash, size: bytes.length, type: headers["content-type"] });
  }
  return found;
}

/**
 * Everything of a peer once it is what is expected, for a restore takes in what it reads step by step.
 * @throws AssertionError with what is different, when it never is
 */
export async function becomes(peer: DemoPeer, expected: Owned): Promise<void> {
  let last: unknown;
  await until(
    async () => {
      try {
        // The list first: reading all bodies again and again would take its time.
        last = await listed(peer);
        assert.deepEqual(last, listOf(expected));
        return true;
      } catch {
        await sleep(250);
        return undefined;
      }
    },
    `${peer.name} to have all`,
    PATIENCE,
  ).catch(() => assert.deepEqual(last, listOf(expected)));
  assert.deepEqual(await everything(peer), expected);
}

function listOf({ buckets, versions }: Owned): unknown {
  return {
    names: buckets.map(({ name }) => name),
    versions: versions.map(({ bucket, key, version }) => `${bucket}/${key} ${version}`),
  };
}

/** Names of buckets and versions alone. */
export async function listed(peer: DemoPeer): Promise<unknown> {
  const list = await s3Done(peer, "GET", "/");
  const names = [...list.text.matchAll(/<Bucket>.*?<Name>([^<]*)<\/Name>.*?<\/Bucket>/gs)].map((m) => m[1]!);
  const versions: string[] = [];
  for (const name of names.sort()) {
    const { text } = await s3Done(peer, "GET", `/${name}?versions`);
    for (const [, , xml] of text.matchAll(/<(Version|DeleteMarker)>(.*?)<\/\1>/gs)) {
      versions.push(`${name}/${elementText(xml!, "Key")} ${elementText(xml!, "VersionId")}`);
    }
  }
  return { names, versions };
}

export function randomBytes(random: SeededRandom, length: number): Uint8Array {
  return random.fill(new Uint8Array(length));
}

/** Files of every size, versions, delete markers, parts. Every answer is an acknowledgement when this resolves. */
export async function writeFiles(peer: DemoPeer, random: SeededRandom): Promise<void> {
  const put = (path: string, length: number, type = "application/octet-stream") =>
    s3Done(peer, "PUT", path, { body: randomBytes(random, length), headers: { "Content-Type": type } });
  await s3Done(peer, "PUT", "/plain");
  await s3Done(peer, "PUT", "/kept");
  await s3Done(peer, "PUT", "/empty");
  await s3Done(peer, "PUT", "/kept?versioning", {
    body: "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
  });
  await put("/plain/tiny.txt", 100, "text/plain");
  await put("/plain/nothing", 0);
  await put("/plain/folder/middle.bin", 70_000);
  await put("/plain/large.bin", 2_500_000);
  // More than a slab of 8 MiB.
  await put("/plain/film.bin", (9 << 20) + 12_345, "video/mp4");
  await put("/plain/gone", 60_000);
  await s3Done(peer, "DELETE", "/plain/gone");
  for (const length of [10, 90_000, 300]) await put("/kept/letter", length, "text/plain");
  await put("/kept/removed", 50_000);
  await s3Done(peer, "DELETE", "/kept/removed");
}

/** What the wallet holds, and what happened in it. */
export async function coinsOf(peer: DemoPeer): Promise<unknown> {
  const { balance } = await peer.api.get<{ balance: Readonly<Record<string, number>> }>("/wallet");
  const payments = await peer.ask<
    { txid: string; status: string; confirmations: number; net: number; isCoinbase: boolean }[]
  >("wallet", "history", "--limit", "1000");
  const history = payments
    .map(({ txid, status, confirmations, net }) => ({ txid, status, confirmations, net }))
    .sort((a, b) => (a.txid < b.txid ? -1 : 1));
  return { balance, history };
}
