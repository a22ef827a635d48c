/** `freehold files`: puts files into the shared cloud and gets them back. */
import { stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import type { Command } from "commander";
import type { FilesStatus, PresignedMethod, SharingControl } from "#doors/api/sharing-control.ts";
import type { ApiClient } from "../api-client.ts";
import { type CliContext, type CommonOptions, UsageError } from "../cli-context.ts";
import { byteText } from "../progress-line.ts";
import {
  checkKeyLength,
  type FileAddress,
  localPath,
  parseDuration,
  parseFileAddress,
  parseFileName,
} from "./file-address.ts";
import { download, downloadFile, type OnBytes, uploadFile } from "./file-transfer.ts";
import { filesBelow, type LocalFile, named, transferAll, transferOne } from "./folder-transfer.ts";
import { LONGEST_FILE, PARTS_FROM, type Sign, uploadInParts } from "./part-upload.ts";
import { uploadStream } from "./stream-upload.ts";

/** One row a slab, one cell a shard. */
type Health = Extract<Awaited<ReturnType<SharingControl["fileHealth"]>>, { readonly ok: true }>["value"];

/** How long a transfer's URL is good, in seconds: it must last until the first byte. */
const TRANSFER_SECONDS = 3600;

export function filesCommands(program: Command, context: CliContext): void {
  const files = program.command("files").description("keep files in the shared cloud: bucket/name");
  addPut(files, context);
  addGet(files, context);
  addList(files, context);
  addRemove(files, context);
  addRemoveBucket(files, context);
  addStatus(files, context);
  addShare(files, context);
  addKeys(files, context);
}

function addPut(files: Command, context: CliContext): void {
  context
    .command(
      files,
      "put <path> <target>",
      "store a file or a folder as bucket/name, or into bucket/folder/; - stores standard input",
    )
    .action(async (path: string, target: string, options: CommonOptions) => {
      const api = context.api(options);
      if (path === "-") return await putInput(api, context, target, options);
      const { bucket, key } = parseFileAddress(target);
      const found = await filesBelow(path);
      const base = key === "" || key.endsWith("/") ? key + basename(join(process.cwd(), path)) : key;
      const tooLarge = found.files.find(({ size }) => size > LONGEST_FILE);
      if (tooLarge !== undefined) throw new Error(`${tooLarge.path} is larger than 5 TiB`);
      const keyOf = (file: LocalFile) => (file.name === "" ? base : `${base}/${file.name}`);
      for (const file of found.files) checkKeyLength(keyOf(file));
      await makeBucket(api, bucket);
      let resumed = 0;
      await transferAll(found.files, async (file, onBytes, signal) => {
        resumed += await putFile(api, { bucket, key: keyOf(file) }, file, onBytes, signal);
      });
      const bytes = found.files.reduce((sum, { size }) => sum + size, 0);
      const stored = {
        ...{ bucket, key: base, files: found.files.length, bytes, skipped: found.skipped },
        ...(resumed > 0 && { resumed }),
      };
      const skipped = found.skipped.map((name) => `Not stored, as it is neither file nor folder: ${name}`);
      const what = countText(found.files.length, "file");
      const there = resumed > 0 ? ` ${byteText(resumed)} of it were there from before.` : "";
      const done =
        found.files.length === 0
          ? `Nothing was stored: no file is in ${path}.`
          : `Stored ${what}, ${byteText(bytes)}, as ${bucket}/${base}.${there}`;
      context.print(options, stored, [...skipped, done].join("\n"));
    });
}

/** Stores what comes from standard input, whose length shows at its end. */
async function putInput(
  api: ApiClient,
  context: CliContext,
  target: string,
  options: CommonOptions,
): Promise<void> {
  const address = parseFileName(target);
  const { bucket, key } = address;
  await makeBucket(api, bucket);
  const upload = { input: context.input, type: typeOf(key), sign: signerOf(api, address) };
  const bytes = await transferOne("standard input", (onBytes) => uploadStream({ ...upload, onBytes }));
  const stored = { bucket, key, files: 1, bytes, skipped: [] };
  context.print(options, stored, `Stored 1 file, ${byteText(bytes)}, as ${bucket}/${key}.`);
}

/** Sends one file, a long one in parts. @returns bytes that were there from an earlier run that was cut off. */
async function putFile(
  api: ApiClient,
  address: FileAddress,
  { path, size }: LocalFile,
  onBytes: OnBytes,
  signal: AbortSignal,
): Promise<number> {
  const type = typeOf(path);
  if (size <= PARTS_FROM) {
    await uploadFile(await presign(api, "PUT", address), path, size, type, onBytes, signal);
    return 0;
  }
  return await uploadInParts({ path, size, key: address.key, type }, signerOf(api, address), onBytes, signal);
}

function signerOf(api: ApiClient, { bucket, key }: FileAddress): Sign {
  return (method, query, ofBucket) =>
    presign(api, method, { bucket, key: ofBucket === true ? "" : key }, TRANSFER_SECONDS, query);
}

function addGet(files: Command, context: CliContext): void {
  context
    .command(files, "get <source> [path]", "fetch bucket/name, or all of bucket/folder/; - prints it")
    .action(async (source: string, path: string | undefined, options: CommonOptions) => {
      const api = context.api(options);
      const address = parseFileAddress(source);
      // An empty file named `folder/` stands for the folder in some tools.
      const wanted = (await find(api, address)).filter((entry) => !entry.key.endsWith("/"));
      if (wanted.length === 0) throw nothingAt(address);
      if (path === "-") {
        if (wanted.length !== 1 || wanted[0]!.key !== address.key) throw new UsageError("- takes one file");
        const url = await presign(api, "GET", address);
        return await named(`${address.bucket}/${address.key}`, () =>
          download(url, context.output, () => undefined),
        );
      }
      const jobs = await Promise.all(wanted.map((entry) => placeOf(entry, address, path)));
      await transferAll(jobs, async (job, onBytes, signal) => {
        const url = await presign(api, "GET", { bucket: address.bucket, key: job.key });
        await downloadFile(url, job.path, onBytes, signal);
      });
      const bytes = jobs.reduce((sum, { size }) => sum + size, 0);
      const text = `Fetched ${jobs.length === 1 ? jobs[0]!.path : `${jobs.length} files`}, ${byteText(bytes)}.`;
      context.print(
        options,
        { files: jobs.map((job) => ({ key: job.key, path: job.path, size: job.size })) },
        text,
      );
    });
}

interface Entry {
  readonly key: string;
  readonly size: number;
  readonly modified: number;
}

/** The file itself, or everything below it as a folder. @throws Error where neither is there */
async function find(api: ApiClient, { bucket, key }: FileAddress): Promise<readonly Entry[]> {
  const below: Entry[] = [];
  for await (const entry of listAll(api, bucket, key)) {
    if (entry.key === key && !key.endsWith("/")) return [entry];
    if (key === "" || key.endsWith("/") || entry.key.startsWith(`${key}/`)) below.push(entry);
  }
  if (below.length === 0) throw nothingAt({ bucket, key });
  return below;
}

function nothingAt({ bucket, key }: FileAddress): Error {
  return new Error(`nothing is at ${bucket}/${key}`);
}

/** Where a fetched file goes, as `cp` would put it. @throws Error for a name that would leave the folder */
async function placeOf(entry: Entry, { key }: FileAddress, path: string | undefined) {
  const isFile = entry.key === key;
  const folder = key === "" || key.endsWith("/") ? key : `${key}/`;
  const name = isFile ? key.slice(key.lastIndexOf("/") + 1) : entry.key.slice(folder.length);
  const local = localPath(name);
  if (local === undefined)
    throw new Error(`${entry.key} cannot be a file's name here; fetch it alone, with a path`);
  const isFolder = path !== undefined && (path.endsWith("/") || (await isDirectory(path)));
  const target = path === undefined ? local : isFile && !isFolder ? path : join(path, local);
  return { key: entry.key, path: target, size: entry.size };
}

async function isDirectory(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

function addList(files: Command, context: CliContext): void {
  context
    .command(files, "ls [where]", "list the buckets, or the files of bucket/folder/")
    .action(async (where: string | undefined, options: CommonOptions) => {
      const api = context.api(options);
      const entries: Entry[] = [];
      if (where === undefined) {
        for await (const entry of listBuckets(api)) entries.push(entry);
        context.print(
          options,
          { buckets: entries.map(({ key }) => key) },
          entries.map(({ key }) => `${key}/`).join("\n"),
        );
        return;
      }
      const { bucket, key } = parseFileAddress(where);
      for await (const entry of listAll(api, bucket, key)) entries.push(entry);
      const lines = entries.map((entry) => {
        const time = new Date(entry.modified).toISOString().slice(0, 16).replace("T", " ");
        return `${time}  ${byteText(entry.size).padStart(9)}  ${bucket}/${entry.key}`;
      });
      context.print(options, { bucket, files: entries }, lines.join("\n"));
    });
}

function addRemove(files: Command, context: CliContext): void {
  context
    .command(files, "rm <name>", "remove bucket/name")
    .option("-r, --recursive", "remove everything below bucket/folder")
    .option("-y, --yes", "do not ask")
    .action(async (name: string, options: CommonOptions & { recursive?: boolean; yes?: boolean }) => {
      const api = context.api(options);
      const address = parseFileAddress(name);
      if (options.recursive !== true) refuseMany(name, address);
      const { bucket } = address;
      const entries = options.recursive === true ? await find(api, address) : [await findOne(api, address)];
      const isMany = entries.length !== 1;
      if (isMany && options.yes !== true) {
        const sure = await context.confirm(`Remove ${entries.length} files of ${bucket}?`);
        if (!sure) return context.print(options, { removed: 0 }, "Nothing was removed.");
      }
      for (const { key } of entries) await api.delete("/files/objects", { bucket, key });
      const text = isMany ? `Removed ${entries.length} files.` : `Removed ${bucket}/${entries[0]!.key}.`;
      context.print(options, { removed: entries.length }, text);
    });
}

/** @throws UsageError where more than a file is named */
function refuseMany(name: string, { key }: FileAddress): void {
  if (key === "") throw new UsageError(`${name} is a bucket; freehold files rb removes it once it is empty`);
  if (key.endsWith("/")) throw new UsageError(`${name} is a folder; -r removes everything below it`);
}

function addRemoveBucket(files: Command, context: CliContext): void {
  context
    .command(files, "rb <bucket>", "remove an empty bucket")
    .option("-y, --yes", "do not ask whether uploads to it that were cut off are given up")
    .action(async (name: string, options: CommonOptions & { yes?: boolean }) => {
      const api = context.api(options);
      const { bucket, key } = parseFileAddress(name);
      if (key !== "") throw new UsageError(`${name} is more than a bucket; freehold files rm removes files`);
      const remove = (giveUpUploads: boolean) => api.delete("/files/buckets", { bucket, giveUpUploads });
      try {
        await remove(false);
      } catch (error) {
        if (!/: unfinished uploads are in it$/.test((error as Error).message))
          throw emptyFirst(error, bucket);
        const question = `${bucket} holds only uploads that were cut off, or are under way. Give them up?`;
        if (options.yes !== true && !(await context.confirm(question))) {
          return context.print(options, { bucket, removed: false }, "Nothing was removed.");
        }
        await remove(true);
      }
      context.print(options, { bucket, removed: true }, `Removed the bucket ${bucket}.`);
    });
}

/** The refusal, with how to empty the bucket. */
function emptyFirst(error: unknown, bucket: string): unknown {
  const { message } = error as Error;
  if (/: files are in it$/.test(message))
    return new Error(`${message}; freehold files rm -r ${bucket} removes them`);
  if (!/: earlier versions of files are in it$/.test(message)) return error;
  return new Error(`${message}; S3 tools list and remove those, with the keys of freehold files keys`);
}

async function findOne(api: ApiClient, address: FileAddress): Promise<Entry> {
  for await (const entry of listAll(api, address.bucket, address.key)) {
    if (entry.key === address.key) return entry;
    break;
  }
  throw nothingAt(address);
}

function addStatus(files: Command, context: CliContext): void {
  context
    .command(
      files,
      "status [name]",
      "show where files are and how well; with bucket/name, each of its shards",
    )
    .action(async (name: string | undefined, options: CommonOptions) => {
      const api = context.api(options);
      if (name === undefined) {
        const status = await api.get<FilesStatus>("/files");
        context.print(options, status, statusText(status));
        return;
      }
      const { bucket, key } = parseFileName(name);
      const health = await api.get<Health>("/files/health", { bucket, key });
      context.print(options, health, healthText(health));
    });
}

function statusText(status: FilesStatus): string {
  const { stored, unproven, lost, repairing } = status.shards;
  const shards = [
    `${stored} proven`,
    ...(unproven > 0 ? [`${unproven} not proven lately`] : []),
    ...(repairing > 0 ? [`${repairing} under repair`] : []),
    ...(lost > 0 ? [`${lost} lost`] : []),
  ];
  const hosts = status.hosts.map(
    ({ proven, name, peer, shards, state }) =>
      `  ${proven ? "●" : "○"} ${name || peer}  ${countText(shards, "shard")}${HOST_STATES[state ?? "ready"]}`,
  );
  return [
    `${countText(status.objects, "file")}, ${byteText(status.bytes)}, in ${countText(status.slabs, "slab")}.`,
    `Shards: ${shards.join(", ")}.`,
    `${countText(status.hosts.length, "host")}${hosts.length > 0 ? ":" : "."}`,
    ...hosts,
  ].join("\n");
}

/** `1 file`, `3 files`. */
function countText(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** Behind a host's line. */
const HOST_STATES: Readonly<Record<NonNullable<FilesStatus["hosts"][number]["state"]>, string>> = {
  ready: "",
  away: ", away",
  missing: ", missing",
  dead: ", given up",
  cheat: ", caught lying",
};

const CELLS = { stored: "■", unproven: "□", lost: "×", repairing: "◌" } as const;

function healthText(health: Health): string {
  if (health.length === 0) return "Small enough to live in the log itself, which every head's hosts keep.";
  const rows = health.map((slab) => {
    const cells = slab.shards.map(({ state }) => CELLS[state]).join("");
    const good = slab.shards.filter(({ state }) => state === "stored").length;
    return `${slab.slab.slice(0, 12)}  ${cells}  ${good} of ${slab.shards.length}, ${slab.needed} needed`;
  });
  return [...rows, "■ proven  □ not proven lately  ◌ under repair  × lost"].join("\n");
}

function addShare(files: Command, context: CliContext): void {
  context
    .command(
      files,
      "share <name>",
      "print a link to bucket/name that needs no key, for programs of this machine",
    )
    .option("--for <time>", "how long it is good, such as 30m, 12h or 7d", "1h")
    .action(async (name: string, options: CommonOptions & { for: string }) => {
      const api = context.api(options);
      const address = parseFileName(name);
      const seconds = parseDuration(options.for);
      await findOne(api, address);
      const url = await presign(api, "GET", address, seconds);
      context.print(options, { url, expires: Date.now() + seconds * 1000 }, url);
    });
}

function addKeys(files: Command, context: CliContext): void {
  context
    .command(files, "keys", "print the credentials that S3 tools are configured with")
    .action(async (options: CommonOptions) => {
      const keys = await context.api(options).get<{
        readonly accessKey: string;
        readonly secretKey: string;
        readonly endpoint: string;
        readonly region: string;
      }>("/files/keys");
      const lines = [
        `export AWS_ACCESS_KEY_ID=${keys.accessKey}`,
        `export AWS_SECRET_ACCESS_KEY=${keys.secretKey}`,
        `export AWS_DEFAULT_REGION=${keys.region}`,
        `export AWS_ENDPOINT_URL=${keys.endpoint}`,
      ];
      context.print(options, keys, lines.join("\n"));
    });
}

interface Page {
  readonly entries: readonly Entry[];
  readonly next?: string;
}

function listAll(api: ApiClient, bucket: string, prefix: string): AsyncIterable<Entry> {
  return allPages((after) => api.get<Page>("/files/objects", { bucket, prefix, after }));
}

function listBuckets(api: ApiClient): AsyncIterable<Entry> {
  return allPages((after) => api.get<Page>("/files/buckets", { after }));
}

async function* allPages(read: (after: string) => Promise<Page>): AsyncIterable<Entry> {
  let after: string | undefined = "";
  while (after !== undefined) {
    const page: Page = await read(after);
    yield* page.entries;
    after = page.next;
  }
}

async function makeBucket(api: ApiClient, bucket: string): Promise<void> {
  for await (const { key } of listBuckets(api)) if (key === bucket) return;
  await api.post("/files/buckets", { bucket });
}

async function presign(
  api: ApiClient,
  method: PresignedMethod,
  { bucket, key }: FileAddress,
  seconds = TRANSFER_SECONDS,
  query?: Readonly<Record<string, string>>,
): Promise<string> {
  const asked = { method, bucket, key, seconds, ...(query !== undefined && { query }) };
  return (await api.post<{ url: string }>("/files/presign", asked)).url;
}

/** Types that a page or a player needs to know; anything else is bytes. */
const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css",
  ".gif": "image/gif",
  ".glb": "model/gltf-binary",
  ".html": "text/html",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".js": "text/javascript",
  ".json": "application/json",
  ".md": "text/markdown; charset=utf-8",
  ".mp3": "audio/mpeg",
  ".mp4": "video/mp4",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webp": "image/webp",
  ".zip": "application/zip",
};

function typeOf(path: string): string {
  return TYPES[extname(path).toLowerCase()] ?? "application/octet-stream";
}
