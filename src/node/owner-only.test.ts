import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { nodeFileSystem } from "#base/store/node-file-system.ts";
import { keepToOwner, type SecretPaths } from "./owner-only.ts";

const skip = process.platform === "win32" ? "Windows has no modes" : false;

/** A network's folder as versions left it that followed the umask 022. */
async function openFolder(t: TestContext, names: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "freehold-owner-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const name of names) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, name);
    await chmod(path, 0o644);
    for (let at = dirname(path); at !== folder; at = dirname(at)) await chmod(at, 0o755);
  }
  return folder;
}

const pathsIn = (folder: string): SecretPaths => ({
  wallets: join(folder, "wallets"),
  sharing: join(folder, "sharing"),
  incoming: join(folder, "incoming"),
  apiCookie: join(folder, ".api-cookie"),
});

const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

test("secrets of older versions are closed to everybody but the owner", { skip }, async (t) => {
  const secrets = [
    ".api-cookie",
    "wallets/startup.json",
    "wallets/freehold/seed.1",
    "wallets/freehold/log/000001",
    "sharing/device.key",
    "sharing/s3-keys.json",
    "sharing/mesh/circles.cbor",
    "sharing/deals/000005.ldb",
    "sharing/files/segments/a",
    "incoming/scene.glb",
  ];
  const folder = await openFolder(t, [
    ...secrets,
    "blocks/blk00000.dat",
    "sharing/content/ab/cdef",
    "sharing/jobs/ab/picture.png",
  ]);
  const lines: string[] = [];
  await keepToOwner(pathsIn(folder), nodeFileSystem, (line) => lines.push(line));
  for (const name of secrets) assert.equal(await modeOf(join(folder, name)), "600", name);
  for (const name of [
    "wallets",
    "wallets/freehold",
    "wallets/freehold/log",
    "sharing",
    "sharing/deals",
    "sharing/jobs",
    "incoming",
  ]) {
    assert.equal(await modeOf(join(folder, name)), "700", name);
  }
  assert.equal(await modeOf(join(folder, "blocks/blk00000.dat")), "644", "no secret");
  assert.equal(lines.length, 1, "it is told once");
  await keepToOwner(pathsIn(folder), nodeFileSystem, (line) => lines.push(line));
  assert.equal(lines.length, 1, "and not where nothing was open");
});

test("what only lies beside a wallet, or is somewhere else, keeps its mode", { skip }, async (t) => {
  const folder = await openFolder(t, [
    "here/a/seed.1",
    "here/b/notes.txt",
    "here/list.txt",
    "else/x",
    "else/seed.1",
  ]);
  await symlink(join(folder, "else/x"), join(folder, "here/a/link"));
  await symlink(join(folder, "else"), join(folder, "here/linked"));
  const wallets = join(folder, "here");
  await keepToOwner({ ...pathsIn(folder), wallets, named: true }, nodeFileSystem, () => {});
  assert.equal(await modeOf(join(folder, "here/a")), "700");
  assert.equal(await modeOf(join(folder, "here/a/seed.1")), "600");
  for (const name of ["here/b/notes.txt", "here/list.txt", "else/x", "else/seed.1"]) {
    assert.equal(await modeOf(join(folder, name)), "644", name);
  }
  for (const name of ["here", "here/b", "else"]) assert.equal(await modeOf(join(folder, name)), "755", name);
});

test("a node without any of it starts", async (t) => {
  const folder = await openFolder(t, []);
  await keepToOwner(pathsIn(folder), nodeFileSystem, () => assert.fail("nothing to tell"));
});
