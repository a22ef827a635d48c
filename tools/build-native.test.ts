import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildAddon } from "./build-native.ts";

function inFolder(action: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "build-native-"));
  try {
    writeFileSync(join(folder, "secp256k1.node"), "an older build");
    action(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("without a compiler nothing is built, an older library is gone, and no half is left", () => {
  inFolder((folder) => {
    assert.match(buildAddon(folder, join(folder, "no-such-compiler")), /^not built: .*ENOENT/);
    assert.deepEqual(readdirSync(folder), []);
  });
});

test("a compiler that fails, even after it wrote half a library, leaves nothing and is quoted in the log", () => {
  inFolder((folder) => {
    const compiler = join(folder, "cc");
    const script =
      '#!/bin/sh\nfor last; do :; done\necho half > "$last"\necho "error: no luck" >&2\nexit 3\n';
    writeFileSync(compiler, script);
    chmodSync(compiler, 0o755);
    const report = buildAddon(folder, compiler);
    assert.match(report, /^not built: .* ended with 3\nerror: no luck/);
    assert.deepEqual(readdirSync(folder), ["cc"]);
  });
});

test("a folder that cannot be written is a line in the log, not an exception", () => {
  assert.match(buildAddon(join(tmpdir(), "no", "such", "folder"), "cc"), /^not built: /);
});
