import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parseLaxDer } from "#base/crypto/lax-der.ts";
import { SignatureBatch, type Verifier, verifier } from "#base/crypto/secp256k1.ts";
import { ROW_STRIDE } from "#base/crypto/signature-batch.ts";
import { hex } from "#base/lib/bytes.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { main, testnet3 } from "#protocol/bitcoin/networks.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { ScriptReader } from "#protocol/bitcoin/script.ts";
import { SighashMidstates } from "#protocol/bitcoin/sighash.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { interpret } from "../../../test/support/script-spends.ts";
import { readUndoFile } from "../../../test/support/undo-file.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { scriptFlagsFor } from "./deployments.ts";
import { SCRIPT_VERIFY_DERSIG } from "./script-flags.ts";
import { InputVerifier, verifyInputs } from "./verify-inputs.ts";

/** Height, inputs and signatures of each block whose spent outputs are at hand. */
const BLOCKS = [
  { network: testnet3, height: 928_816, inputs: 8692 },
  { network: testnet3, height: 928_828, inputs: 1972 },
  { network: testnet3, height: 928_831, inputs: 9984 },
  { network: testnet3, height: 928_848, inputs: 11_215 },
  { network: testnet3, height: 928_849, inputs: 8594 },
  { network: testnet3, height: 928_927, inputs: 9983 },
  { network: testnet3, height: 1_087_400, inputs: 205 },
  { network: main, height: 300_025, inputs: 1427 },
] as const;

const present = sharedVector("blocks/block300025.raw") !== undefined;

interface RealBlock {
  readonly table: TxTable;
  readonly prevouts: Prevouts;
  readonly flags: number;
}

function readBlock({ network, height }: (typeof BLOCKS)[number]): RealBlock {
  const raw = new Uint8Array(readFileSync(sharedVector(`blocks/block${height}.raw`)!));
  const { txs: table } = parseBlock(raw);
  const prevouts = readUndoFile(sharedVector(`blocks/block${height}-undo.raw`)!, table);
  return { table, prevouts, flags: scriptFlagsFor(network, blockHash(raw), height) };
}

/** Remembers the checks of batches and single ones, so that a transaction can be verified over and over. */
function remembering(inner: Verifier): Verifier {
  const known = new Map<string, boolean>();
  const remember = (key: string, check: () => boolean): boolean => {
    const answer = known.get(key) ?? check();
    known.set(key, answer);
    return answer;
  };
  const keyOf = (...parts: Uint8Array[]) =>
    parts.map((part) => Buffer.from(part).toString("latin1")).join("|");
  const remembered: Verifier = {
    ...inner,
    ecdsa: (sig, key, digest) => remember(keyOf(sig, key, digest), () => inner.ecdsa(sig, key, digest)),
    verifyRows: (rows, count) => {
      for (let i = 0; i < count; i++) {
        const row = rows.slice(i * ROW_STRIDE, (i + 1) * ROW_STRIDE);
        if (!remember(keyOf(row), () => inner.verifyRows(row, 1) < 0)) return i;
      }
      return -1;
    },
    batch: () => new SignatureBatch(remembered),
  };
  return remembered;
}

for (const block of BLOCKS) {
  const title = `every script of ${block.network.name} block ${block.height}`;
  test(title, { skip: present ? false : NO_SHARED }, (context) => {
    const { table, prevouts, flags } = readBlock(block);
    assert.equal(table.inputTotal - 1, block.inputs);
    const job = { table, prevouts, flags, fromTx: 0, toTx: table.txCount };
    assert.equal(verifyInputs(job), undefined);
    for (let tx = 1; tx < table.txCount; tx++) {
      const midstates = new SighashMidstates(table, tx, prevouts);
      const end = table.firstInput(tx) + table.inputCount(tx);
      for (let input = table.firstInput(tx); input < end; input++) {
        assert.equal(interpret({ table, prevouts }, input, flags, midstates), undefined, `input ${input}`);
      }
    }
    context.diagnostic(`${block.inputs} inputs under flags 0x${flags.toString(16)}`);
  });
}

/** Offset and length of every signature that an input carries. */
function signaturesOf(table: TxTable, input: number): { at: number; length: number }[] {
  const found: { at: number; length: number }[] = [];
  const scratch = new Uint8Array(64);
  const consider = (data: Uint8Array) => {
    if (data.length < 9 || data.length > 75 || data[0] !== 0x30) return;
    if (parseLaxDer(data.subarray(0, -1), scratch)) {
      found.push({ at: data.byteOffset - table.bytes.byteOffset, length: data.length });
    }
  };
  const reader = new ScriptReader(table.inputScript(input));
  while (reader.next()) consider(reader.data());
  for (const item of table.witness(input)) consider(item);
  return found;
}

test("one byte flipped in each signature of those blocks in turn is refused", {
  skip: present ? false : NO_SHARED,
}, (context) => {
  let signatures = 0;
  const errors = new Map<string, number>();
  for (const block of BLOCKS) {
    const { table, prevouts, flags } = readBlock(block);
    for (let tx = 1; tx < table.txCount; tx++) {
      const inputs = new InputVerifier(remembering(verifier));
      const end = table.firstInput(tx) + table.inputCount(tx);
      for (let input = table.firstInput(tx); input < end; input++) {
        const of = signaturesOf(table, input);
        assert.ok(of.length > 0, `input ${input} of block ${block.height} is signed`);
        for (const { at, length } of of) {
          // Any of its bytes; before BIP66 one of R, for much of the encoding did not matter then.
          const strict = (flags & SCRIPT_VERIFY_DERSIG) !== 0;
          const flipped = at + (strict ? signatures % length : 5 + (signatures % 24));
          table.bytes[flipped]! ^= 1 << (signatures % 7);
          const failure = inputs.verify({ table, prevouts, flags, fromTx: tx, toTx: tx + 1 }, true);
          assert.equal(failure?.input, input, `byte ${flipped} of block ${block.height}`);
          table.bytes[flipped]! ^= 1 << (signatures % 7);
          errors.set(failure!.error, (errors.get(failure!.error) ?? 0) + 1);
          signatures++;
        }
      }
    }
  }
  const counts = [...errors].map(([error, count]) => `${error} ${count}`).join(", ");
  context.diagnostic(`${signatures} signatures: ${counts}`);
  assert.ok(signatures > 52_000);
});

test("flags by height: BIP16 alone at mainnet 300025, what had come on testnet by 2016", () => {
  assert.equal(scriptFlagsFor(main, hex("00".repeat(32)), 300_025) & 0x4, 0);
  assert.equal(scriptFlagsFor(testnet3, hex("00".repeat(32)), 928_816) & 0x604, 0x604);
});
