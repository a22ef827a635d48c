import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile, stat, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { openApiServer } from "../server.ts";
import { testContext } from "../test-support/test-context.ts";

const TOKEN = "a-token-of-the-test";
const DAY = 86_400;

test("an upload keeps its name and stays for a day; older ones make room for it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "freehold-incoming-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const context = testContext(folder, { state: "off", reason: "a test" });
  const api = await openApiServer({ port: 0, orNext: false, token: TOKEN, page: folder }, context);
  t.after(() => api.close());
  const upload = async (name: string): Promise<string> => {
    const answer = await fetch(`http://127.0.0.1:${api.port}/api/incoming?name=${name}`, {
      method: "POST",
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": "application/octet-stream" },
      body: `the bytes of ${name}`,
    });
    assert.equal(answer.status, 200);
    const { path } = (await answer.json()) as { path: string };
    assert.equal(basename(path), name);
    assert.equal(await readFile(path, "utf8"), `the bytes of ${name}`);
    return path;
  };
  const age = async (path: string, seconds: number): Promise<void> => {
    const time = (await stat(dirname(path))).mtimeMs / 1000 - seconds;
    await utimes(dirname(path), time, time);
  };
  const old = await upload("old.glb");
  const lately = await upload("lately.glb");
  await age(old, DAY + 60);
  await age(lately, DAY - 600);
  const newest = await upload("newest.glb");
  assert.deepEqual(
    (await readdir(context.incoming)).sort(),
    [lately, newest].map((path) => basename(dirname(path))).sort(),
  );
  await assert.rejects(stat(old), { code: "ENOENT" });
});
