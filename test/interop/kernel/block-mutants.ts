import { concatBytes } from "#base/lib/bytes.ts";
import type { SeededRandom } from "#base/lib/random.ts";
import { MAX_MONEY } from "#protocol/bitcoin/amount.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { Transaction } from "#protocol/bitcoin/transaction.ts";
import { hashTxs } from "#protocol/bitcoin/txid.ts";
import { merkleRoot } from "#protocol/consensus/merkle.ts";
import { type BlockForge, cloneTransaction, type Draft, type ForgedBlock } from "./block-forge.ts";

/** Something of a block made different: one change may break no rule, or several. */
type Change = (draft: Draft, forge: BlockForge) => void;

const some = <T>(random: SeededRandom, list: readonly T[]): T => list[random.below(list.length)]!;

const anyTx = (draft: Draft, { random }: BlockForge): Transaction =>
  random.below(5) === 0 || draft.txs.length === 0 ? draft.coinbase : some(random, draft.txs);

/** A byte string with a byte changed, added or taken away. */
function warp(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(3)) {
    case 0:
      return at < bytes.length ? bytes.with(at, random.below(256)) : bytes;
    case 1:
      return concatBytes(bytes.subarray(0, at), Uint8Array.of(random.below(256)), bytes.subarray(at));
    default:
      return concatBytes(bytes.subarray(0, at), bytes.subarray(at + 1));
  }
}

const SEQUENCES = [0, 1, 100, 0xffff, 0x40_0000, 0x40_0001, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
const VERSIONS = [0, 1, 2, 3, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff];
const VALUES = [-1, 0, 1, MAX_MONEY, MAX_MONEY + 1];

const TRANSACTION_CHANGES: readonly ((tx: Transaction, draft: Draft, random: SeededRandom) => void)[] = [
  (tx, _, random) => {
    const output = some(random, tx.outputs);
    output.value = random.below(2) === 0 ? some(random, VALUES) : output.value + random.below(5) - 2;
  },
  (tx, _, random) => {
    some(random, tx.inputs).sequence = some(random, SEQUENCES);
  },
  (tx, draft, random) => {
    const median = draft.prev.medianTimePast();
    tx.lockTime = some(random, [0, 1, draft.height - 1, draft.height, median - 1, median, 0xffff_ffff]);
  },
  (tx, _, random) => {
    tx.version = some(random, VERSIONS);
  },
  (tx, _, random) => {
    const input = some(random, tx.inputs);
    input.index = some(random, [0, 1, input.index + 1, 0xffff_ffff]);
  },
  (tx, _, random) => {
    const input = some(random, tx.inputs);
    input.txid = warp(input.txid, random).slice(0, 32);
    if (input.txid.length < 32) input.txid = new Uint8Array(32);
  },
  (tx, _, random) => {
    const input = some(random, tx.inputs);
    input.script = warp(input.script, random);
  },
  (tx, _, random) => {
    const output = some(random, tx.outputs);
    output.script = warp(output.script, random);
  },
  (tx, _, random) => {
    const { witness } = some(random, tx.inputs);
    const at = random.below(witness.length + 1);
    if (at < witness.length) witness[at] = warp(witness[at]!, random);
    else witness.push(random.fill(new Uint8Array(random.below(40))));
  },
  (tx, _, random) => {
    some(random, tx.inputs).witness.splice(random.below(3), 1);
  },
  (tx, _, random) => {
    tx.inputs.push(structuredClone(some(random, tx.inputs)));
  },
  (tx, _, random) => {
    if (tx.inputs.length > 1) tx.inputs.splice(random.below(tx.inputs.length), 1);
  },
  (tx, _, random) => {
    tx.outputs.splice(random.below(tx.outputs.length), 1);
  },
];

const BLOCK_CHANGES: readonly Change[] = [
  (draft, { random }) => {
    if (draft.txs.length > 0) draft.txs.push(cloneTransaction(some(random, draft.txs)));
  },
  (draft) => {
    draft.txs.reverse();
  },
  (draft, { random }) => {
    draft.txs.splice(random.below(draft.txs.length + 1), 1);
  },
  (draft) => {
    draft.txs.push(cloneTransaction(draft.coinbase));
  },
  (draft, { random }) => {
    draft.commit = some(random, ["auto", "always", "never"]);
  },
  (draft, { random }) => {
    draft.version = some(random, [1, 3, 4, 0x3fff_ffff, 0xffff_ffff]);
  },
  (draft, { random }) => {
    draft.time = draft.prev.medianTimePast() + random.below(3) - 1;
  },
];

function changeOnce(draft: Draft, forge: BlockForge): void {
  const { random } = forge;
  if (random.below(4) === 0) {
    some(random, BLOCK_CHANGES)(draft, forge);
    return;
  }
  const tx = anyTx(draft, forge);
  if (tx.inputs.length > 0 && tx.outputs.length > 0) some(random, TRANSACTION_CHANGES)(tx, draft, random);
}

/** A valid draft with one to three changes, put together again: which rules it breaks is for others to say. */
export function mutantBlock(forge: BlockForge): ForgedBlock {
  const draft = forge.draft(forge.between(1, 3));
  draft.txs = draft.txs.map(cloneTransaction);
  for (let left = forge.between(1, 3); left > 0; left--) changeOnce(draft, forge);
  return forge.seal(draft);
}

/**
 * The bytes of a valid block with a few of them changed, then, where it still parses, its Merkle root and proof
 * of work put right.
 */
export function mutantBytes(forge: BlockForge): Uint8Array {
  const { random } = forge;
  let raw: Uint8Array = forge.seal(forge.draft(forge.between(1, 3))).raw.slice();
  for (let left = forge.between(1, 3); left > 0; left--) {
    raw = concatBytes(raw.subarray(0, 80), warp(raw.subarray(80), random));
  }
  try {
    const { txs } = parseBlock(raw);
    raw.set(merkleRoot(hashTxs(txs).txids, txs.txCount).root, 36);
  } catch {
    // For the judge to say the same.
  }
  forge.mine(raw);
  return raw;
}
