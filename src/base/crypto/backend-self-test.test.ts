import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { passesSelfTest } from "./backend-self-test.ts";
import { loadVerifier, verifier } from "./secp256k1.ts";
import type { SignatureBackend } from "./signature-backend.ts";
import { ROW_SCHNORR, ROW_STRIDE } from "./signature-batch.ts";

const tiny = loadVerifier("tiny")!;

describe("the self-test of a back end", () => {
  test("passes a sound one", () => assert.equal(passesSelfTest(tiny), true));

  const mutants: Readonly<Record<string, Partial<SignatureBackend>>> = {
    "takes every ECDSA signature": { ecdsa: () => true },
    "takes no ECDSA signature": { ecdsa: () => false },
    "does not look at the digest": {
      ecdsa: (signature, key) => tiny.ecdsa(signature, key, new Uint8Array(32).fill(0x17)),
    },
    "takes every Schnorr signature": { schnorr: () => true },
    "knows no Schnorr signatures": { schnorr: () => false },
    "takes every tweak": { tweakAddCheck: () => true },
    "takes no tweak": { tweakAddCheck: () => false },
    "ignores the parity": {
      tweakAddCheck: (output, _parity, key, tweak) =>
        tiny.tweakAddCheck(output, 0, key, tweak) || tiny.tweakAddCheck(output, 1, key, tweak),
    },
    "lets every batch pass": { verifyRows: () => -1 },
    "lets no batch pass": { verifyRows: () => 0 },
    "names the last failure of a batch": {
      verifyRows: (rows, count) => (tiny.verifyRows(rows, count) === -1 ? -1 : count - 1),
    },
    "has a batch that knows no Schnorr signatures": {
      verifyRows(rows, count) {
        for (let i = 0; i < count; i++) if (rows[i * ROW_STRIDE] === ROW_SCHNORR) return i;
        return tiny.verifyRows(rows, count);
      },
    },
  };
  for (const [what, change] of Object.entries(mutants)) {
    test(`fails one that ${what}`, () => assert.equal(passesSelfTest({ ...tiny, ...change }), false));
  }
});

describe("FREEHOLD_SECP256K1", () => {
  /** What a fresh process says its verifier is, or its error. */
  function chosen(name: string): string {
    const module = JSON.stringify(new URL("./secp256k1.ts", import.meta.url).href);
    const source = `const { verifier } = await import(${module}); console.log(verifier.name);`;
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", source], {
      env: { ...process.env, FREEHOLD_SECP256K1: name },
      encoding: "utf8",
    });
    return run.status === 0 ? run.stdout.trim() : run.stderr;
  }

  test("forces a back end", () => {
    assert.equal(chosen("tiny"), "tiny");
    assert.equal(chosen("noble"), "noble");
  });

  test("names what is known when it is none of them", () => {
    assert.match(chosen("openssl"), /FREEHOLD_SECP256K1=openssl: known are native, secp256k1, tiny, noble/);
  });
});

test("two threads at once choose the same back end as this one, and it is sound there", async () => {
  const url = (file: string): string => JSON.stringify(new URL(file, import.meta.url).href);
  const source = `
    import { parentPort } from "node:worker_threads";
    const { verifier } = await import(${url("./secp256k1.ts")});
    const { passesSelfTest } = await import(${url("./backend-self-test.ts")});
    let sound = true;
    for (let i = 0; i < 20; i++) sound &&= passesSelfTest(verifier);
    parentPort.postMessage([verifier.name, sound]);
  `;
  const workers = [0, 1].map(() => new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`)));
  const answers = workers.map(
    (worker) =>
      new Promise((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      }),
  );
  for (const answer of await Promise.all(answers)) assert.deepEqual(answer, [verifier.name, true]);
});
