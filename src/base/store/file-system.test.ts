import assert from "node:assert/strict";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FaultWorld } from "./fault-world.ts";
import type { FileSystem } from "./file-system.ts";
import { nodeFileSystem } from "./node-file-system.ts";
import { readIfThere, removeIfThere, writeAtomically } from "./write-atomically.ts";

/** The suite that every file system passes. */
const FILE_SYSTEMS: Record<string, (t: TestContext) => Promise<{ files: FileSystem; root: string }>> = {
  async node(t) {
    const root = await mkdtemp(join(tmpdir(), "freehold-files-"));
    t.after(() => rm(root, { recursive: true }));
    return { files: nodeFileSystem, root };
  },
  async fault() {
    const { files } = new FaultWorld();
    await files.makeDirectory("/data");
    return { files, root: "/data" };
  },
};

const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

for (const [name, make] of Object.entries(FILE_SYSTEMS)) {
  test(`${name} files: written anywhere, read anywhere`, async (t) => {
    const { files, root } = await make(t);
    const path = join(root, "a");
    await assert.rejects(files.open(path, "read"), { code: "ENOENT" });
    await assert.rejects(files.open(path, "write"), { code: "ENOENT" });
    const file = await files.open(path, "create");
    await file.write(bytes(1, 2, 3), 0);
    await file.write(bytes(9), 5);
    assert.equal(await file.size(), 6);
    const into = new Uint8Array(8).fill(7);
    assert.equal(await file.read(into, 1), 5);
    assert.deepEqual(into, bytes(2, 3, 0, 0, 9, 7, 7, 7));
    assert.equal(await file.read(into, 100), 0);
    await file.truncate(2);
    await file.truncate(4);
    await file.sync();
    await file.close();
    assert.deepEqual(new Uint8Array(await files.readFile(path)), bytes(1, 2, 0, 0));
    await assert.rejects(files.readFile(path, 3), /longer than 3 bytes/);
    const again = await files.open(path, "create");
    assert.equal(await again.size(), 4, "create cuts nothing");
    await again.close();
    const reader = await files.open(path, "read");
    await assert.rejects(reader.write(bytes(1), 0), { code: "EBADF" });
    await reader.close();
    await assert.rejects(reader.read(into, 0));
  });

  test(`${name} files: directories, renames and removals`, async (t) => {
    const { files, root } = await make(t);
    const deep = join(root, "x", "y");
    await files.makeDirectory(deep);
    await files.makeDirectory(deep);
    assert.deepEqual(await files.stat(deep), { size: 0, isDirectory: true });
    assert.equal(await files.stat(join(deep, "none")), undefined);
    await writeAtomically(files, join(deep, "b"), bytes(1));
    await writeAtomically(files, join(deep, "a"), bytes(2, 2));
    await writeAtomically(files, join(deep, "b"), bytes(3, 3, 3));
    assert.deepEqual(await files.readDirectory(deep), ["a", "b"]);
    assert.deepEqual(await files.stat(join(deep, "b")), { size: 3, isDirectory: false });
    assert.equal(await files.stat(join(deep, "b", "c")), undefined);
    await files.rename(join(deep, "a"), join(deep, "b"));
    assert.deepEqual(new Uint8Array((await readIfThere(files, join(deep, "b")))!), bytes(2, 2));
    await files.remove(join(deep, "b"));
    await removeIfThere(files, join(deep, "b"));
    await assert.rejects(files.remove(join(deep, "b")), { code: "ENOENT" });
    assert.equal(await readIfThere(files, join(deep, "b")), undefined);
    await assert.rejects(files.rename(join(deep, "b"), join(deep, "c")), { code: "ENOENT" });
    await files.syncDirectory(deep);
    await assert.rejects(files.syncDirectory(join(root, "nowhere")), { code: "ENOENT" });
    await writeAtomically(files, join(deep, "d"), bytes(4));
    await files.rename(join(root, "x"), join(root, "z"));
    await files.removeTree(join(root, "z"));
    await files.removeTree(join(root, "z"));
    assert.deepEqual(await files.readDirectory(root), []);
    assert.ok((await files.freeSpace(root)) > 0);
  });
}

test("node files: a tree that is removed takes nothing along that a link in it leads to", async (t) => {
  const { files, root } = await FILE_SYSTEMS["node"]!(t);
  await files.makeDirectory(join(root, "kept"));
  await files.makeDirectory(join(root, "tree"));
  await writeAtomically(files, join(root, "kept", "a"), bytes(1));
  await symlink(join(root, "kept"), join(root, "tree", "link"));
  await files.removeTree(join(root, "tree"));
  assert.deepEqual(await files.readDirectory(root), ["kept"]);
  assert.deepEqual(await files.readDirectory(join(root, "kept")), ["a"]);
});
