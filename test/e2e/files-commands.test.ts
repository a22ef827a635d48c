/** `freehold files` and `freehold host` through the API's routes and the S3 door, over a store in memory. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { Command } from "commander";
import { fastify } from "fastify";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import type { ApiContext } from "#doors/api/context.ts";
import { filesRoutes } from "#doors/api/routes/files.ts";
import { hostRoutes } from "#doors/api/routes/host.ts";
import type { HostStatus, SharingControl } from "#doors/api/sharing-control.ts";
import { API_COOKIE, ApiClient } from "#doors/cli/api-client.ts";
import type { BackgroundNode } from "#doors/cli/background-node.ts";
import { CliContext, type CommonOptions } from "#doors/cli/cli-context.ts";
import { localPath, parseDuration } from "#doors/cli/commands/file-address.ts";
import { uploadFile } from "#doors/cli/commands/file-transfer.ts";
import { filesCommands } from "#doors/cli/commands/files-commands.ts";
import { hostCommands, parseSize } from "#doors/cli/commands/host-commands.ts";
import { lengthOfPart, uploadStream } from "#doors/cli/commands/stream-upload.ts";
import { errorText } from "#doors/cli/error-text.ts";
import { createS3Server } from "#doors/s3/server.ts";
import { MemoryFileStore } from "#doors/s3/test-support/memory-file-store.ts";
import { filesControl } from "#node/sharing-control/files-control.ts";
import { FileError } from "#sharing/storage/file-store.ts";
import { FREEHOLD, runProgram, until } from "./node-process.ts";

const KEYS = { accessKey: "AKIAFREEHOLDTEST0001", secretKey: "secret", region: "us-east-1" };

const HOST_OFF: HostStatus = { on: false, limitBytes: 0, usedBytes: 0, shards: 0 };

/** What the sharing process does for these commands, over the store. */
function controlOver(store: MemoryFileStore, endpoint: string): SharingControl {
  const status = async () => ({
    objects: 3,
    bytes: 4096,
    slabs: 1,
    shards: { stored: 11, unproven: 0, lost: 1, repairing: 0 },
    hosts: [
      { peer: "p", name: "Bob", shards: 12, proven: true, state: "ready" as const },
      { peer: "q", name: "Eve", shards: 1, proven: false, state: "missing" as const },
    ],
  });
  store.health = async () => [
    { slab: "ab".repeat(32), needed: 1, shards: [{ host: "p", state: "stored" as const }] },
  ];
  const files = Object.assign(store, { status });
  const { region, ...credentials } = KEYS;
  const control = filesControl({ files, endpoint, region, credentials, clock: systemClock });
  let host = HOST_OFF;
  const part: Partial<SharingControl> = {
    ...control,
    // Small pages, so that the commands must turn them.
    listFiles: (query) => control.listFiles({ ...query, limit: Math.min(query.limit, 2) }),
    status: async () => ({ host }) as Awaited<ReturnType<SharingControl["status"]>>,
    startHost: async (rules) => {
      host = { ...HOST_OFF, on: true, ...rules };
      return { ok: true, value: host };
    },
    stopHost: async () => {
      host = { ...host, on: false };
      return { ok: true, value: host };
    },
  };
  return part as SharingControl;
}

interface Printed {
  readonly json: Record<string, unknown>;
  readonly text: string;
}

class RecordingContext extends CliContext {
  printed: Printed | undefined;
  readonly #input: Readable;

  constructor(folder: string, input: Readable) {
    super(() => ({ folder }) as BackgroundNode);
    this.#input = input;
  }

  override get input(): Readable {
    return this.#input;
  }

  override print(_options: CommonOptions, json: unknown, text: string): void {
    this.printed = { json: json as Record<string, unknown>, text };
  }
}

async function openWorld(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "freehold-files-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const files = new MemoryFileStore(systemClock);
  const options = { clock: systemClock, log: silentLogger, corsOrigins: [], baseDomains: [] };
  const door = createS3Server({ files, credentials: [KEYS], region: KEYS.region, ...options });
  t.after(() => door.close());
  const { url } = await door.listen({ host: "127.0.0.1", port: 0 });
  const control = controlOver(files, url);

  const app = fastify({ forceCloseConnections: true });
  app.setErrorHandler(async (error: Error & { statusCode?: number }, _request, reply) => {
    await reply.code(error.statusCode ?? 500).send({ error: error.message });
  });
  // All that these routes ask of their context.
  const part: Partial<ApiContext> = { sharing: () => ({ state: "running", control }) };
  const context = part as ApiContext;
  await app.register(
    async (api) => {
      filesRoutes(api, context);
      hostRoutes(api, context);
    },
    { prefix: "/api" },
  );
  t.after(() => app.close());
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  await writeFile(join(folder, API_COOKIE), `http://127.0.0.1:${port}\ntoken\n`);

  const runOn = async (input: Readable, ...args: string[]): Promise<Printed> => {
    const recording = new RecordingContext(folder, input);
    const program = new Command("freehold").exitOverride().configureOutput({ writeErr: () => undefined });
    filesCommands(program, recording);
    hostCommands(program, recording);
    await program.parseAsync(args, { from: "user" });
    return recording.printed ?? { json: {}, text: "" };
  };
  const run = (...args: string[]) => runOn(Readable.from([]), ...args);
  /** `freehold` as a program of its own, on this world. */
  const start = async (...args: string[]) => {
    await mkdir(join(folder, "regtest"), { recursive: true });
    await copyFile(join(folder, API_COOKIE), join(folder, "regtest", API_COOKIE));
    const place = ["--datadir", folder, "--network", "regtest"];
    const child = spawn(FREEHOLD, [...args, ...place], { stdio: ["pipe", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    return child;
  };
  return { folder, files, run, runOn, start };
}

test("a file goes up, is listed, shared, looked at, fetched and removed", async (t) => {
  const { folder, run } = await openWorld(t);
  const path = join(folder, "photo.jpg");
  await writeFile(path, "a picture");
  const put = await run("files", "put", path, "photos/2024/");
  assert.deepEqual(put.json, { bucket: "photos", key: "2024/photo.jpg", files: 1, bytes: 9, skipped: [] });
  assert.equal(put.text, "Stored 1 file, 9 B, as photos/2024/photo.jpg.");
  assert.equal((await run("files", "ls")).text, "photos/");
  assert.match((await run("files", "ls", "photos")).text, /9 B {2}photos\/2024\/photo\.jpg$/);
  assert.match((await run("files", "status")).text, /11 proven, 1 lost/);
  assert.match((await run("files", "status")).text, /○ Eve {2}1 shard, missing/);
  assert.match((await run("files", "status")).text, /^3 files, 4\.0 KiB, in 1 slab\.\n.*\n2 hosts:\n/);
  assert.match((await run("files", "status", "photos/2024/photo.jpg")).text, /■ {2}1 of 1, 1 needed/);

  const { text: link } = await run("files", "share", "photos/2024/photo.jpg", "--for", "10m");
  const shared = await fetch(link);
  assert.equal(await shared.text(), "a picture");
  assert.equal(shared.headers.get("content-type"), "image/jpeg");

  const back = join(folder, "back.jpg");
  await run("files", "get", "photos/2024/photo.jpg", back);
  assert.equal(await readFile(back, "utf8"), "a picture");
  await assert.rejects(run("files", "rm", "photos"), /photos is a bucket; freehold files rb removes it/);
  await assert.rejects(run("files", "rm", "photos/2024/"), /is a folder; -r removes everything below it$/);
  assert.equal((await run("files", "rm", "photos/2024/photo.jpg")).text, "Removed photos/2024/photo.jpg.");
  await assert.rejects(run("files", "rm", "photos/2024/photo.jpg"), /nothing is at/);
  await assert.rejects(run("files", "get", "photos/2024/photo.jpg", back), /nothing is at/);
  assert.equal(await readFile(back, "utf8"), "a picture");
  await assert.rejects(run("files", "put", path, "Not_A_Bucket/x"), /bucket is not valid/);
});

test("a long file that was cut off goes on where it stood; one that changed begins anew", async (t) => {
  const { folder, files, run } = await openWorld(t);
  const path = join(folder, "long & wide.bin");
  const bytes = new SeededRandom(3).fill(new Uint8Array(40 << 20));
  await writeFile(path, bytes);
  const sent: number[] = [];
  const putPart = files.putPart.bind(files);
  let allowed = 2;
  files.putPart = async (upload, part, body, check) => {
    if (allowed-- <= 0) throw new FileError("ServiceUnavailable", "too few hosts can be reached");
    sent.push(part);
    return await putPart(upload, part, body, check);
  };
  const put = () => run("files", "put", path, "long/");
  await assert.rejects(
    put(),
    /too few hosts can be reached; run the same command again.*; friends become hosts with freehold host start/,
  );
  assert.deepEqual(sent.splice(0).sort(), [1, 2]);
  // An upload of another tool to the same key, cut in another way, is left alone.
  const other = await files.startUpload("long", "long & wide.bin");
  await putPart(other.id, 1, one(bytes.subarray(0, 6 << 20)));
  allowed = 100;
  const done = await put();
  assert.deepEqual(sent.splice(0), [3]);
  assert.equal(done.json["resumed"], 32 << 20);
  assert.match(done.text, /32\.0 MiB of it were there from before/);
  const back = join(folder, "back");
  await run("files", "get", "long/long & wide.bin", back);
  assert.deepEqual(await readFile(back), Buffer.from(bytes));
  assert.equal((await files.uploads("long", { limit: 10 })).length, 1, "the other tool's");
  // Cut off again; then one byte of what lies there changes on the disk.
  allowed = 2;
  await assert.rejects(put(), /too few hosts/);
  bytes[100]! ^= 1;
  await writeFile(path, bytes);
  allowed = 100;
  sent.splice(0);
  assert.equal((await put()).json["resumed"], undefined);
  assert.deepEqual(sent.splice(0).sort(), [1, 2, 3]);
  await run("files", "get", "long/long & wide.bin", back);
  assert.deepEqual(await readFile(back), Buffer.from(bytes));
});

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

test("a folder goes up and comes back as it was", async (t) => {
  const { folder, run } = await openWorld(t);
  const tree = join(folder, "tree");
  const contents = { "a.txt": "a", "b c/ü%.bin": "x".repeat(300_000), "b c/d/e": "" };
  for (const [name, text] of Object.entries(contents)) {
    await mkdir(join(tree, name, ".."), { recursive: true });
    await writeFile(join(tree, name), text);
  }
  await symlink(join(folder, "nowhere"), join(tree, "broken"));
  const put = await run("files", "put", tree, "backup");
  assert.deepEqual(put.json["skipped"], [join(tree, "broken")]);
  assert.equal(put.json["files"], 3);
  const as = await run("files", "put", tree, "backup/other");
  assert.equal(as.json["key"], "other");
  for (const [source, target] of [
    ["backup/tree", "one"],
    ["backup/other/", "two"],
  ] as const) {
    await run("files", "get", source, join(folder, target));
    for (const [name, text] of Object.entries(contents)) {
      assert.equal(await readFile(join(folder, target, name), "utf8"), text, name);
    }
  }
  await assert.rejects(run("files", "rm", "-r", "backup/other"), /give --yes/);
  assert.equal((await run("files", "rm", "-r", "-y", "backup/other")).text, "Removed 3 files.");
  assert.equal(((await run("files", "ls", "backup")).json["files"] as unknown[]).length, 3);
});

test("a key that would leave the folder is not written", async (t) => {
  const { folder, files, run } = await openWorld(t);
  await files.createBucket("hostile");
  async function* body() {
    yield new TextEncoder().encode("evil");
  }
  await files.put("hostile", "x/../../escaped", body());
  await assert.rejects(run("files", "get", "hostile/x/", join(folder, "into")), /cannot be a file's name/);
  for (const key of ["..", "a/../b", "/a", "a//b", "a\\b", "C:x", ""])
    assert.equal(localPath(key), undefined, key);
  assert.equal(localPath("a/b.c/...d"), "a/b.c/...d");
});

test("what cannot be read, named or written is told of, and leaves nothing behind", async (t) => {
  const { folder, files, run } = await openWorld(t);
  const path = join(folder, "a");
  await writeFile(path, "a");
  await mkdir(join(folder, "empty"));
  const long = "x".repeat(1025);
  await assert.rejects(run("files", "put", path, `docs/${long}`), /at most 1024 bytes, not 1025/);
  await assert.rejects(run("files", "put", path, `docs/${"ü".repeat(600)}`), /at most 1024 bytes, not 1200/);
  assert.equal((await files.buckets()).length, 0);
  assert.match(
    (await run("files", "put", join(folder, "empty"), "docs/e")).text,
    /^Nothing was stored: no file/,
  );

  await run("files", "put", path, "docs/a");
  await assert.rejects(
    run("files", "get", "docs/a", "/proc/a"),
    /^Error: \/proc\/a: no such file or folder$/,
  );
  await assert.rejects(run("files", "get", "docs/a", join(path, "b")), /a folder is needed|in the way/);
  await assert.rejects(run("files", "put", join(folder, "none"), "docs/b"), (error: Error) => {
    assert.equal(errorText(error), `${join(folder, "none")}: no such file or folder`);
    return true;
  });
  const before = await readdir(folder);
  files.head = async () => {
    throw new FileError("NoSuchKey", `no <b> & "c" of 'd' is here`);
  };
  await assert.rejects(
    run("files", "get", "docs/a", join(folder, "back")),
    /back: no <b> & "c" of 'd' is here$/,
  );
  assert.deepEqual(await readdir(folder), before);
});

test("dots in a key are a part of it", async (t) => {
  const { folder, run } = await openWorld(t);
  const path = join(folder, "a");
  await writeFile(path, "dots");
  await run("files", "put", path, "docs/../../x");
  const { json } = await run("files", "ls", "docs");
  assert.deepEqual(
    (json["files"] as { key: string }[]).map(({ key }) => key),
    ["../../x"],
  );
  await run("files", "get", "docs/../../x", join(folder, "back"));
  assert.equal(await readFile(join(folder, "back"), "utf8"), "dots");
});

test("the host is started with a size, and stopped", async (t) => {
  const { run } = await openWorld(t);
  assert.match((await run("host", "status")).text, /^Not storing for others/);
  const started = await run("host", "start", "--size", "500MB");
  assert.equal(started.json["limitBytes"], 500_000_000);
  assert.match(started.text, /0 B of 477 MiB, 0 shards/);
  assert.equal(started.json["limitBytesPerAccount"], undefined);
  assert.equal((await run("host", "stop")).json["on"], false);
  assert.equal(started.json["keepDays"], 30);
  const shared = await run(
    "host",
    "start",
    "--size",
    "1GB",
    "--limit-per-account",
    "200MB",
    "--keep-days",
    "7",
  );
  assert.equal(shared.json["keepDays"], 7);
  await assert.rejects(run("host", "start", "--keep-days", "0"), /no number of days/);
  assert.equal(shared.json["limitBytesPerAccount"], 200_000_000);
  assert.match(shared.text, /191 MiB of it for each account/);
  await assert.rejects(run("host", "start", "--limit-per-account", "20GB"), /more than the 9\.3 GiB/);
  assert.equal((await run("host", "start")).json["limitBytes"], 10_000_000_000);
  await assert.rejects(run("host", "start", "--size", "much"), /is no size/);
  assert.equal(parseSize("1.5 TiB"), 1.5 * 2 ** 40);
  assert.equal(parseDuration("7d"), 604_800);
  for (const wrong of ["8d", "0s", "1", "h", "-1h"]) assert.throws(() => parseDuration(wrong), /is no time/);
});

test("keys are printed as S3 tools take them", async (t) => {
  const { run } = await openWorld(t);
  const { text, json } = await run("files", "keys");
  assert.equal(json["secretKey"], "secret");
  assert.match(text, /^export AWS_ACCESS_KEY_ID=AKIAFREEHOLDTEST0001$/m);
  assert.match(text, /^export AWS_ENDPOINT_URL=http:\/\/127\.0\.0\.1:\d+$/m);
});

test("an empty bucket is removed, any other refused with the way to empty it", async (t) => {
  const { folder, files, run } = await openWorld(t);
  const path = join(folder, "a");
  await writeFile(path, "a");
  await run("files", "put", path, "docs/x/a");
  await assert.rejects(run("files", "rb", "docs/x"), /docs\/x is more than a bucket/);
  await assert.rejects(
    run("files", "rb", "docs"),
    /^Error: the bucket docs is not empty: files are in it; freehold files rm -r docs removes them$/,
  );
  // As some tools leave a folder behind.
  await files.put("docs", "x/", one(new Uint8Array()));
  await run("files", "get", "docs/x/", join(folder, "back"));
  assert.deepEqual(await readdir(join(folder, "back")), ["a"]);
  assert.equal((await run("files", "rm", "-r", "-y", "docs")).text, "Removed 2 files.");
  const { json, text } = await run("files", "rb", "s3://docs/");
  assert.deepEqual([json, text], [{ bucket: "docs", removed: true }, "Removed the bucket docs."]);
  assert.equal((await run("files", "ls")).text, "");
  await assert.rejects(run("files", "rb", "docs"), /bucket does not exist/);

  await files.createBucket("kept");
  await files.setVersioning("kept", "enabled");
  await files.put("kept", "a", one(Uint8Array.of(1)));
  await files.delete("kept", "a");
  await assert.rejects(run("files", "rb", "-y", "kept"), /earlier versions of files are in it; S3 tools/);
});

test("uploads that were cut off keep a bucket, unless they are given up", async (t) => {
  const { files, run } = await openWorld(t);
  await files.createBucket("docs");
  await files.startUpload("docs", "long");
  const remove = files.deleteBucket.bind(files);
  files.deleteBucket = async (name) => {
    const uploads = await files.uploads(name, { limit: 1 });
    if (uploads.length > 0) throw new FileError("BucketNotEmpty", "uploads are there");
    await remove(name);
  };
  await assert.rejects(run("files", "rb", "docs"), {
    name: "UsageError",
    message: /^docs holds only uploads .* give --yes to go on/,
  });
  const asked: string[] = [];
  const answers = [false, true];
  t.mock.method(CliContext.prototype, "confirm", async (question: string) => {
    asked.push(question);
    return answers.shift();
  });
  assert.deepEqual((await run("files", "rb", "docs")).json, { bucket: "docs", removed: false });
  assert.equal((await files.uploads("docs", { limit: 1 })).length, 1);
  assert.deepEqual((await run("files", "rb", "docs")).json, { bucket: "docs", removed: true });
  assert.match(asked[0] ?? "", /^docs holds only uploads/);
  assert.deepEqual(await files.buckets(), []);
  await files.createBucket("docs");
  await files.startUpload("docs", "long");
  assert.equal((await run("files", "rb", "--yes", "docs")).text, "Removed the bucket docs.");
});

const MIB = 1 << 20;

/** Bytes in pieces of a size that fits nothing. */
function* pieces(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 100_003) yield bytes.subarray(at, at + 100_003);
}

test("what comes through a pipe is stored under its name, however much it is", async (t) => {
  const { files, runOn } = await openWorld(t);
  for (const length of [0, 1, 16 * MIB, 16 * MIB + 1, 40 * MIB]) {
    const bytes = new SeededRandom(length).fill(new Uint8Array(length));
    const { json } = await runOn(Readable.from(pieces(bytes)), "files", "put", "-", "dump/all.json");
    assert.deepEqual(json, { bucket: "dump", key: "all.json", files: 1, bytes: length, skipped: [] });
    const object = await files.head("dump", "all.json");
    assert.equal(object.contentType, "application/json");
    assert.equal(
      /-\d+$/.exec(object.etag)?.[0] ?? "",
      length <= 16 * MIB ? "" : `-${Math.ceil(length / 16 / MIB)}`,
    );
    assert.ok((await buffer(files.read(object))).equals(bytes), String(length));
    assert.deepEqual(await files.uploads("dump", { limit: 1 }), []);
  }
  const unread = new Readable({ read: () => assert.fail("nothing needs to be read") });
  await assert.rejects(runOn(unread, "files", "put", "-", "dump/"), /dump\/ names no file/);
});

test("a pipe that breaks, early or late, changes nothing", async (t) => {
  const { files, runOn } = await openWorld(t);
  await files.createBucket("dump");
  const before = await files.put("dump", "all", one(Uint8Array.of(1)));
  for (const length of [MIB, 40 * MIB]) {
    async function* broken() {
      yield* pieces(new Uint8Array(length));
      throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
    }
    await assert.rejects(
      runOn(Readable.from(broken()), "files", "put", "-", "dump/all"),
      /^Error: standard input: EIO: i\/o error, read$/,
    );
    assert.deepEqual(await files.head("dump", "all"), before);
    assert.deepEqual(await files.uploads("dump", { limit: 1 }), []);
  }
});

test("a part of a pipe that is refused ends all, though the pipe stays open", async (t) => {
  const { files, runOn } = await openWorld(t);
  const refuse = async () => {
    throw new FileError("EntityTooLarge", "it is too much");
  };
  files.putPart = refuse;
  const input = new Readable({ read: () => undefined });
  for (const piece of pieces(new Uint8Array(20 * MIB))) input.push(piece);
  await assert.rejects(
    runOn(input, "files", "put", "-", "dump/all"),
    /^Error: standard input: it is too much$/,
  );
  assert.equal(input.destroyed, true);
  assert.deepEqual(await files.uploads("dump", { limit: 1 }), []);
  files.put = refuse;
  await assert.rejects(
    runOn(Readable.from([Buffer.from("short")]), "files", "put", "-", "dump/all"),
    /^Error: standard input: it is too much$/,
  );
  await assert.rejects(files.head("dump", "all"), { code: "NoSuchKey" });
});

test("the parts of a pipe grow only once there are many", () => {
  const lengths = Array.from({ length: 10_000 }, (_, index) => lengthOfPart(index + 1));
  assert.deepEqual([lengths[0], lengths[1999], lengths[2000]], [16 * MIB, 16 * MIB, 32 * MIB]);
  assert.equal(Math.max(...lengths), 256 * MIB);
  assert.equal(Math.floor(lengths.reduce((sum, length) => sum + length, 0) / 2 ** 30), 968);
});

test("bytes go through the pipes of the program as they are", async (t) => {
  const { folder, files, start } = await openWorld(t);
  const bytes = new SeededRandom(5).fill(new Uint8Array(20 * MIB));
  const put = await start("files", "put", "-", "dump/all", "--json");
  put.stdin.end(bytes);
  const [told, [code]] = await Promise.all([buffer(put.stdout), once(put, "close")]);
  assert.equal(code, 0);
  assert.equal(JSON.parse(String(told)).bytes, bytes.length);
  const get = await start("files", "get", "dump/all", "-");
  const [back, [ended]] = await Promise.all([buffer(get.stdout), once(get, "close")]);
  assert.equal(ended, 0);
  assert.ok(back.equals(bytes));

  const place = { FREEHOLD_DATADIR: folder, FREEHOLD_NETWORK: "regtest" };
  const misread = ["-c", '"$0" files put - dump/folder </', FREEHOLD];
  assert.deepEqual(await runProgram("/bin/sh", misread, { env: place }), {
    ...{ code: 1, signal: null, stdout: "" },
    stderr: "Error: standard input: this is a folder, a file is needed\n",
  });
  await assert.rejects(files.head("dump", "folder"), { code: "NoSuchKey" });

  // A reader that has had enough.
  const cut = await start("files", "get", "dump/all", "-");
  await once(cut.stdout, "data");
  cut.stdout.destroy();
  assert.deepEqual(await once(cut, "close"), [0, null]);
  await until("nobody reads from the store", () => files.reading === 0);
});

test("an interrupted pipe leaves nothing behind", async (t) => {
  const { files, start } = await openWorld(t);
  for (const [signal, expected] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    const put = await start("files", "put", "-", "dump/all");
    put.stdin.on("error", () => undefined);
    put.stdin.write(new Uint8Array(20 * MIB));
    const uploads = async () => await files.uploads("dump", { limit: 1 }).catch(() => []);
    const partsOf = async ([upload]: Awaited<ReturnType<typeof uploads>>) =>
      upload === undefined ? [] : await files.parts(upload.id, { after: 0, limit: 9 });
    await until("a part is stored", async () => (await partsOf(await uploads())).length > 0);
    put.kill(signal);
    assert.deepEqual(await once(put, "close"), [expected, null]);
    assert.deepEqual(await uploads(), []);
    await assert.rejects(files.head("dump", "all"), { code: "NoSuchKey" });
  }
});

test("a file that is not as long as it says is not stored", async (t) => {
  const { folder, files, run } = await openWorld(t);
  await assert.rejects(
    run("files", "put", "/proc/self/status", "docs/"),
    /^Error: \/proc\/self\/status: there is more in it than it says; it can be piped into put -$/,
  );
  assert.deepEqual((await files.list("docs", { limit: 1 })).objects, []);
  const path = join(folder, "shrinks");
  await writeFile(path, "all of it");
  const asked = { method: "PUT", bucket: "docs", key: "shrinks" };
  const { url } = await ApiClient.of(folder).post<{ url: string }>("/files/presign", asked);
  await assert.rejects(
    uploadFile(url, path, 100, "text/plain", () => undefined),
    /^Error: it became shorter while it was read$/,
  );
  assert.deepEqual((await files.list("docs", { limit: 1 })).objects, []);
});

test("a file that breaks off on its way to a pipe is told of", async (t) => {
  const { folder, files } = await openWorld(t);
  await files.createBucket("dump");
  await files.put("dump", "all", one(new Uint8Array(MIB)));
  files.read = async function* () {
    yield new Uint8Array(1000);
    throw new FileError("ServiceUnavailable", "too few shards are there");
  };
  const place = ["--datadir", folder, "--network", "regtest"];
  await mkdir(join(folder, "regtest"));
  await copyFile(join(folder, API_COOKIE), join(folder, "regtest", API_COOKIE));
  const ended = await runProgram(FREEHOLD, ["files", "get", "dump/all", "-", ...place]);
  assert.deepEqual([ended.code, ended.stdout], [1, "\0".repeat(1000)]);
  assert.match(ended.stderr, /^Error: dump\/all: the connection broke off; freehold status/);
});

test("the first file that fails ends those that are on their way, in both directions", async (t) => {
  const { folder, files, run } = await openWorld(t);
  const tree = join(folder, "tree");
  await mkdir(tree);
  const bytes = new Uint8Array(20 * MIB);
  for (const name of ["a", "b"]) await writeFile(join(tree, name), bytes);
  const put = files.put.bind(files);
  const met = Promise.withResolvers<void>();
  const told = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  files.put = async (bucket, key, body, options) => {
    if (key.endsWith("b")) {
      await met.promise;
      throw new FileError("ServiceUnavailable", "too few hosts can be reached");
    }
    async function* held() {
      for await (const piece of body) {
        met.resolve();
        await told.promise;
        yield piece;
      }
    }
    const stored = put(bucket, key, held(), options);
    stored.then(
      () => ended.resolve("stored"),
      () => ended.resolve("cut off"),
    );
    return await stored;
  };
  await assert.rejects(run("files", "put", tree, "docs/"), /b: too few hosts can be reached/);
  told.resolve();
  assert.equal(await ended.promise, "cut off");

  files.put = put;
  await run("files", "put", tree, "docs/");
  const read = files.read.bind(files);
  const reading = Promise.withResolvers<void>();
  files.read = async function* (object, range) {
    if (object.key.endsWith("b")) {
      await reading.promise;
      throw new FileError("ServiceUnavailable", "too few shards are there");
    }
    for await (const piece of read(object, range)) {
      yield piece;
      reading.resolve();
      await new Promise(setImmediate);
    }
  };
  const back = join(folder, "back");
  await assert.rejects(run("files", "get", "docs/tree/", back), /b: too few shards are there/);
  assert.deepEqual(await readdir(back), []);
});

test("a pipe waits for hosts that are away for a moment, and no longer", async (t) => {
  const { folder, files, runOn } = await openWorld(t);
  const bytes = new SeededRandom(9).fill(new Uint8Array(20 * MIB));
  const failing = new Set(["startUpload", "putPart", "completeUpload"] as const);
  const away = (what: string) => new FileError("ServiceUnavailable", `too few hosts can be reached: ${what}`);
  for (const name of failing) {
    const real = (files[name] as (...given: unknown[]) => Promise<unknown>).bind(files);
    Object.assign(files, {
      [name]: async (...given: unknown[]) => {
        if (failing.delete(name)) throw away(name);
        return await real(...given);
      },
    });
  }
  await runOn(Readable.from(pieces(bytes)), "files", "put", "-", "dump/all");
  assert.equal(failing.size, 0);
  assert.ok((await buffer(files.read(await files.head("dump", "all")))).equals(bytes));
  assert.deepEqual(await files.uploads("dump", { limit: 1 }), []);

  let tries = 0;
  files.put = async () => {
    throw away(String(++tries));
  };
  const api = ApiClient.of(folder);
  const upload = {
    input: Readable.from([Buffer.from("short")]),
    type: "text/plain",
    sign: async (method: string) => {
      const asked = { method, bucket: "dump", key: "short" };
      return (await api.post<{ url: string }>("/files/presign", asked)).url;
    },
    pauses: [1, 1],
  };
  let counted = 0;
  const onBytes = (more: number) => {
    counted += more;
  };
  await assert.rejects(uploadStream({ ...upload, onBytes }), /too few hosts can be reached: 3$/);
  assert.equal(counted, 0);
});
