/** S3 clients of others (install-s3-clients.sh) and what each must be able to do through a door. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";

const BIN = join(import.meta.dirname, ".installed/s3/bin");

/** Why tests that drive them are skipped; false where they are here. */
export const NO_S3_CLIENTS: string | false = existsSync(join(dirname(BIN), "edition"))
  ? false
  : "the S3 clients are not installed: run test/interop/install-s3-clients.sh";

/** A door as a client is told of it. */
export interface S3Endpoint {
  readonly url: string;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

export class S3Tools {
  readonly endpoint: S3Endpoint;
  /** Home of the clients and place of the test's files. */
  readonly folder: string;

  constructor(endpoint: S3Endpoint, folder: string) {
    this.endpoint = endpoint;
    this.folder = folder;
  }

  static async open(t: TestContext, endpoint: S3Endpoint): Promise<S3Tools> {
    const folder = await mkdtemp(join(tmpdir(), "freehold-s3-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    // Version 1 still signs links in the old way unless told otherwise.
    await writeFile(join(folder, "aws-config"), "[default]\ns3 =\n  signature_version = s3v4\n");
    return new S3Tools(endpoint, folder);
  }

  /** Runs `aws1`, `aws2`, `rclone`, `restic` or `s3cmd`; throws with what it said where it fails. @returns what it said */
  async run(program: string, args: readonly string[], more: Record<string, string> = {}): Promise<string> {
    const { stdout, stderr } = await this.output(program, args, more);
    return stdout + stderr;
  }

  output(
    program: string,
    args: readonly string[],
    more: Record<string, string> = {},
  ): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const { url, region, accessKey, secretKey } = this.endpoint;
    const env = {
      PATH: "/usr/bin:/bin",
      HOME: this.folder,
      LC_ALL: "C.UTF-8",
      AWS_ACCESS_KEY_ID: accessKey,
      AWS_SECRET_ACCESS_KEY: secretKey,
      AWS_DEFAULT_REGION: region,
      AWS_EC2_METADATA_DISABLED: "true",
      AWS_PAGER: "",
      AWS_CONFIG_FILE: join(this.folder, "aws-config"),
      NO_PROXY: "*",
      RCLONE_CONFIG_DOOR_TYPE: "s3",
      RCLONE_CONFIG_DOOR_PROVIDER: "Other",
      RCLONE_CONFIG_DOOR_ENV_AUTH: "true",
      RCLONE_CONFIG_DOOR_ENDPOINT: url,
      RCLONE_CONFIG_DOOR_REGION: region,
      RESTIC_PASSWORD: "correct horse battery staple",
      RESTIC_CACHE_DIR: join(this.folder, ".restic-cache"),
      ...more,
    };
    const all = program.startsWith("aws") ? ["--endpoint-url", url, ...args] : args;
    return new Promise((resolve, reject) => {
      execFile(join(BIN, program), all, { env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
        if (error === null) resolve({ stdout, stderr });
        else reject(new Error(`${program} ${args.join(" ")} failed:\n${stdout}${stderr}`));
      });
    });
  }

  path(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** A file of seeded bytes; made anew where it is. */
  async write(name: string, size: number, seed: number): Promise<string> {
    const path = this.path(name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, seededBytes(size, seed));
    return path;
  }
}

function seededBytes(size: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  const block = new SeededRandom(seed).fill(new Uint8Array(Math.min(size, 1 << 16)));
  for (let at = 0; at < size; at += block.length) {
    bytes.set(block.subarray(0, Math.min(block.length, size - at)), at);
    // Every block differs, so that two of them in the wrong order are seen.
    bytes[at] = at >>> 16;
    if (at + 1 < size) bytes[at + 1] = at >>> 24;
  }
  return bytes;
}

/** Name below `folder` → SHA-256 of each file. */
export async function hashTree(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const hashes: [string, string][] = [];
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    hashes.push([path.slice(folder.length + 1), hashOf(await readFile(path))]);
  }
  return Object.fromEntries(hashes.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A folder with names that canonicalisation gets wrong easily, empty files and large ones. */
export async function makeTree(tools: S3Tools, name: string): Promise<string> {
  const files: [string, number][] = [
    ["plain.txt", 10],
    ["empty", 0],
    ["with space/and + plus/100%.txt", 4096],
    ["ümläut/日本/😀.bin", 5000],
    ["odd/~!@#$^&()'=,;[]{}.txt", 70_000],
    ["deep/a/b/c/d/e/f.bin", 300_000],
    ["large.bin", 12_000_001],
  ];
  for (const [at, [file, size]] of files.entries()) await tools.write(join(name, file), size, at + 1);
  return tools.path(name);
}

/** `aws s3` and `aws s3api` as people use them. `edition` is aws1 or aws2. */
export async function checkAws(tools: S3Tools, edition: string): Promise<void> {
  const bucket = `by-${edition}`;
  const s3 = (...args: string[]) => tools.run(edition, ["s3", ...args]);
  const api = apiOf(tools, edition);
  const tree = await makeTree(tools, `${edition}-tree`);

  await s3("mb", `s3://${bucket}`);
  assert.match(await s3("ls"), new RegExp(bucket));
  await s3("sync", "--no-progress", tree, `s3://${bucket}/tree`);
  assert.equal(
    await s3("sync", "--no-progress", tree, `s3://${bucket}/tree`),
    "",
    "a second sync sends nothing",
  );
  const back = tools.path(`${edition}-back`);
  await s3("cp", "--no-progress", "--recursive", `s3://${bucket}/tree`, back);
  assert.deepEqual(await hashTree(back), await hashTree(tree));
  await s3("cp", "--no-progress", `s3://${bucket}/tree/large.bin`, `s3://${bucket}/copied.bin`);
  await s3("mv", "--no-progress", `s3://${bucket}/copied.bin`, `s3://${bucket}/moved.bin`);

  const head = await api("head-object", "--bucket", bucket, "--key", "moved.bin");
  assert.equal(head["ContentLength"], 12_000_001);
  const part = tools.path(`${edition}-part`);
  await api("get-object", "--bucket", bucket, "--key", "moved.bin", "--range", "bytes=9000000-9000099", part);
  const whole = await readFile(join(tree, "large.bin"));
  assert.deepEqual(await readFile(part), whole.subarray(9_000_000, 9_000_100));

  const listed = await api("list-objects-v2", "--bucket", bucket, "--delimiter", "/", "--page-size", "1");
  assert.deepEqual(
    (listed["CommonPrefixes"] as { Prefix: string }[]).map((one) => one.Prefix),
    ["tree/"],
  );
  const all = await api("list-objects-v2", "--bucket", bucket, "--page-size", "2");
  assert.equal((all["Contents"] as unknown[]).length, 8);

  const link = (await s3("presign", `s3://${bucket}/tree/plain.txt`)).trim();
  const fetched = await fetch(link);
  assert.equal(fetched.status, 200);
  assert.deepEqual(
    new Uint8Array(await fetched.arrayBuffer()),
    new Uint8Array(await readFile(join(tree, "plain.txt"))),
  );

  await s3("rm", "--recursive", `s3://${bucket}`);
  await assert.rejects(api("head-object", "--bucket", bucket, "--key", "tree/plain.txt"), /404/);
  await assert.rejects(api("get-bucket-policy", "--bucket", bucket), /\(NoSuchBucketPolicy\)/);
}

/** Uploads given up or completed twice, versions and settings, which `aws s3` never shows. */
export async function checkAwsApi(tools: S3Tools, edition: string): Promise<void> {
  const bucket = `versions-by-${edition}`;
  const s3 = (...args: string[]) => tools.run(edition, ["s3", ...args]);
  const api = apiOf(tools, edition);
  const file = await tools.write(`${edition}-file`, 10, 1);
  await s3("mb", `s3://${bucket}`);

  const upload = await api("create-multipart-upload", "--bucket", bucket, "--key", "given-up");
  const open = await api("list-multipart-uploads", "--bucket", bucket);
  assert.equal((open["Uploads"] as unknown[]).length, 1);
  const given = ["--bucket", bucket, "--key", "given-up", "--upload-id", upload["UploadId"] as string];
  await api("upload-part", ...given, "--part-number", "1", "--body", file);
  assert.equal(((await api("list-parts", ...given))["Parts"] as unknown[]).length, 1);
  await api("abort-multipart-upload", ...given);

  const begun = await api("create-multipart-upload", "--bucket", bucket, "--key", "moved.bin");
  const named = ["--bucket", bucket, "--key", "moved.bin", "--upload-id", begun["UploadId"] as string];
  const { ETag } = await api("upload-part", ...named, "--part-number", "1", "--body", file);
  const parts = JSON.stringify({ Parts: [{ PartNumber: 1, ETag }] });
  const complete = () => api("complete-multipart-upload", ...named, "--multipart-upload", parts);
  assert.deepEqual(await complete(), await complete());
  assert.deepEqual(await api("get-bucket-notification-configuration", "--bucket", bucket), {});

  await api("put-bucket-versioning", "--bucket", bucket, "--versioning-configuration", "Status=Enabled");
  await s3("cp", "--no-progress", file, `s3://${bucket}/moved.bin`);
  await s3("rm", `s3://${bucket}/moved.bin`);
  const versions = await api("list-object-versions", "--bucket", bucket, "--prefix", "moved.bin");
  assert.equal((versions["Versions"] as unknown[]).length, 2);
  assert.equal((versions["DeleteMarkers"] as unknown[]).length, 1);
  const every = [...(versions["Versions"] as object[]), ...(versions["DeleteMarkers"] as object[])] as {
    Key: string;
    VersionId: string;
  }[];
  const doomed = { Objects: every.map(({ Key, VersionId }) => ({ Key, VersionId })) };
  const deleted = await api("delete-objects", "--bucket", bucket, "--delete", JSON.stringify(doomed));
  assert.equal((deleted["Deleted"] as unknown[]).length, 3);
  await s3("rb", `s3://${bucket}`);
}

/** `aws s3api …`, its answer as an object. */
function apiOf(tools: S3Tools, edition: string) {
  return async (...args: string[]): Promise<Record<string, unknown>> => {
    const text = await tools.run(edition, ["s3api", ...args, "--output", "json"]);
    return text.trim() === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
  };
}

/** Copies a tree out and back, and lets rclone compare. */
export async function checkRclone(tools: S3Tools): Promise<void> {
  const tree = await makeTree(tools, "rclone-tree");
  const remote = "door:by-rclone/tree";
  const cut = ["--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M"];
  await tools.run("rclone", ["mkdir", "door:by-rclone"]);
  await tools.run("rclone", ["copy", ...cut, tree, remote]);
  assert.match(await tools.run("rclone", ["check", tree, remote]), /: 0 differences found/);
  assert.match(await tools.run("rclone", ["check", "--download", tree, remote]), /: 0 differences found/);
  const back = tools.path("rclone-back");
  await tools.run("rclone", ["sync", remote, back]);
  assert.deepEqual(await hashTree(back), await hashTree(tree));

  await tools.write("rclone-tree/plain.txt", 11, 99);
  await assert.rejects(tools.run("rclone", ["check", tree, remote]), /1 differences found/);
  await tools.run("rclone", ["sync", ...cut, tree, remote]);
  assert.match(await tools.run("rclone", ["check", tree, remote]), /: 0 differences found/);
  await tools.run("rclone", ["moveto", `${remote}/large.bin`, `${remote}/larger.bin`]);
  const listed = JSON.parse((await tools.output("rclone", ["lsjson", remote])).stdout) as { Path: string }[];
  assert.ok(listed.some((entry) => entry.Path === "larger.bin"));
  await tools.run("rclone", ["purge", "door:by-rclone"]);
}

/** s3cmd, which lists by the first version of the API. */
export async function checkS3cmd(tools: S3Tools): Promise<void> {
  const tree = await makeTree(tools, "s3cmd-tree");
  const { host } = new URL(tools.endpoint.url);
  const { accessKey, secretKey, region } = tools.endpoint;
  const lines = [
    "[default]",
    `access_key = ${accessKey}`,
    `secret_key = ${secretKey}`,
    `bucket_location = ${region}`,
    `host_base = ${host}`,
    `host_bucket = ${host}`,
    "use_https = False",
    "signature_v2 = False",
    "multipart_chunk_size_mb = 5",
  ];
  const config = tools.path("s3cfg");
  await writeFile(config, `${lines.join("\n")}\n`);
  const s3cmd = (...args: string[]) => tools.run("s3cmd", ["-c", config, "--no-progress", ...args]);
  const bucket = "s3://by-s3cmd";
  await s3cmd("mb", bucket);
  await s3cmd("sync", `${tree}/`, `${bucket}/tree/`);
  const back = tools.path("s3cmd-back");
  await mkdir(back);
  await s3cmd("sync", `${bucket}/tree/`, `${back}/`);
  assert.deepEqual(await hashTree(back), await hashTree(tree));
  assert.match(await s3cmd("ls", "-r", bucket), /12000001 .*large\.bin/);
  assert.match(await s3cmd("info", `${bucket}/tree/large.bin`), /File size: +12000001/);
  assert.match(await s3cmd("info", bucket), /Payer: +BucketOwner[\s\S]*Policy: +none/);
  await s3cmd("rb", "--recursive", "--force", bucket);
}

/** A backup repository: made, filled twice, checked to the last byte, restored, pruned. */
export async function checkRestic(tools: S3Tools): Promise<void> {
  const tree = await makeTree(tools, "restic-tree");
  const restic = (...args: string[]) =>
    tools.run("restic", args, { RESTIC_REPOSITORY: `s3:${tools.endpoint.url}/by-restic/repository` });
  await restic("init");
  await restic("backup", tree);
  await tools.write("restic-tree/second.bin", 3_000_000, 42);
  await restic("backup", tree);
  assert.match(await restic("check", "--read-data"), /no errors were found/);
  const back = tools.path("restic-back");
  await restic("restore", "latest", "--target", back);
  assert.deepEqual(await hashTree(join(back, tree)), await hashTree(tree));
  await restic("forget", "--keep-last", "1", "--prune");
  assert.match(await restic("check"), /no errors were found/);
}
