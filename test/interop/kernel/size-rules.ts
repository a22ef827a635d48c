import { concatBytes } from "#base/lib/bytes.ts";
import type { SeededRandom } from "#base/lib/random.ts";
import { blockWeight, parseBlock, strippedBlockSize } from "#protocol/bitcoin/block-table.ts";
import { wrapScript } from "#protocol/bitcoin/multisig.ts";
import {
  OP_0,
  OP_1,
  OP_CHECKMULTISIG,
  OP_CHECKMULTISIGVERIFY,
  OP_CHECKSIG,
  OP_CHECKSIGVERIFY,
  OP_ENDIF,
  OP_IF,
  OP_NOP,
  OP_RETURN,
} from "#protocol/bitcoin/opcodes.ts";
import { pushData } from "#protocol/bitcoin/script.ts";
import { legacySigOps } from "#protocol/consensus/sigops.ts";
import { type BlockForge, cloneDraft, type Draft } from "./block-forge.ts";
import type { BlockRule, Trial } from "./block-rules.ts";
import type { Lock, LockKind } from "./forge-locks.ts";
import { rule, sealed } from "./trials.ts";

/** Turns of a rule whose blocks have megabytes. */
const RARE = 1 / 20;

/** No transaction at all, not even a coinbase. */
function empty(forge: BlockForge): Trial {
  const kept = forge.draft();
  return { broken: forge.assemble(kept, [], []), kept: forge.seal(kept) };
}

/** The coinbase's second output: nothing to anybody, in as many bytes as wanted. */
function fill(draft: Draft, script: Uint8Array): void {
  draft.coinbase.outputs[1] = { value: 0, script };
}

/** A million bytes without witnesses, or one more. */
function stripped(forge: BlockForge): Trial {
  const kept = forge.draft(0);
  kept.commit = "never";
  const filler = (length: number) => new Uint8Array(length).fill(OP_RETURN);
  fill(kept, filler(900_000));
  const length = 1_900_000 - strippedBlockSize(parseBlock(forge.seal(kept).raw));
  const broken = cloneDraft(kept);
  fill(kept, filler(length));
  fill(broken, filler(length + 1));
  return sealed(forge, broken, kept);
}

/** Four million by weight, or one more: the annex of a taproot spend makes it up. */
function weight(forge: BlockForge): Trial | undefined {
  const coin = forge.pick(({ lock }) => lock.kind === "anyone-p2tr");
  if (coin === undefined) return undefined;
  const kept = forge.draft(0);
  forge.add(kept, forge.spend([coin], forge.outputs(coin.value, 1)), 0);
  const { witness } = kept.txs[0]!.inputs[0]!;
  const annex = (length: number) => new Uint8Array(length).fill(0x50, 0, 1);
  const broken = cloneDraft(kept);
  witness.push(annex(3_900_000));
  const length = 7_900_000 - blockWeight(parseBlock(forge.seal(kept).raw));
  witness[witness.length - 1] = annex(length);
  broken.txs[0]!.inputs[0]!.witness.push(annex(length + 1));
  return sealed(forge, broken, kept);
}

/** Legacy operations of a draft's transactions. */
function countLegacy(forge: BlockForge, draft: Draft): number {
  const { txs } = parseBlock(forge.seal(draft).raw);
  let count = 0;
  for (let tx = 0; tx < txs.txCount; tx++) count += legacySigOps(txs, tx);
  return count;
}

/** 20,000 in scripts as they stand, or one more. */
function legacy(opcode: number, worth: number) {
  return (forge: BlockForge): Trial => {
    const kept = forge.draft(0);
    const rest = 20_000 - countLegacy(forge, kept);
    const single = new Uint8Array(rest % worth).fill(OP_CHECKSIG);
    const script = concatBytes(new Uint8Array(Math.floor(rest / worth)).fill(opcode), single);
    const broken = cloneDraft(kept);
    fill(kept, script);
    fill(broken, concatBytes(script, Uint8Array.of(OP_CHECKSIG)));
    return sealed(forge, broken, kept);
  };
}

/** A script that is true, with `count` operations of every kind in a branch that is not taken. */
function idle(count: number, random: SeededRandom): Uint8Array {
  const branch: number[] = [];
  for (let left = count; left > 0; ) {
    const keys = 1 + random.below(16);
    if (left >= 20 && random.below(4) === 0) {
      // Without a number before it, twenty.
      branch.push(OP_NOP, OP_CHECKMULTISIGVERIFY);
      left -= 20;
    } else if (left >= keys && random.below(2) === 0) {
      branch.push(OP_1 + keys - 1, OP_CHECKMULTISIG);
      left -= keys;
    } else {
      branch.push(random.below(2) === 0 ? OP_CHECKSIG : OP_CHECKSIGVERIFY);
      left--;
    }
  }
  return Uint8Array.of(OP_1, OP_0, OP_IF, ...branch, OP_ENDIF);
}

/**
 * Legacy operations just under the limit, and the rest in the script of a spent output: only connecting the
 * block can tell.
 * @param cost of one operation there.
 */
function spent(cost: 1 | 4, open: (script: Uint8Array) => Lock) {
  return (forge: BlockForge): Trial | undefined => {
    const coin = forge.pick(({ lock }) => lock.kind === "anyone");
    if (coin === undefined) return undefined;
    const hidden = forge.between(1, 150);
    const build = (count: number): Draft => {
      const draft = forge.draft(0);
      const lock = open(idle(count, forge.random));
      const parent = forge.spend([coin], [{ value: coin.value, script: lock.script }]);
      const output = { value: coin.value, script: Uint8Array.of(OP_1) };
      draft.txs = [parent, forge.spend([forge.coinOf(parent, 0, lock, draft.height)], [output])];
      const left = Math.floor((80_000 - hidden * cost) / 4) - countLegacy(forge, draft);
      fill(draft, new Uint8Array(left).fill(OP_CHECKSIG));
      return draft;
    };
    // What four operations to one leave over.
    const slack = (80_000 - hidden * cost) % 4;
    return sealed(forge, build(hidden + slack + 1), build(hidden + slack));
  };
}

/** One operation of a witness program beside as many legacy ones as there may be, or one too many of those. */
function ofKey(kind: LockKind) {
  return (forge: BlockForge): Trial | undefined => {
    const coin = forge.pick(({ lock }) => lock.kind === kind);
    if (coin === undefined) return undefined;
    const kept = forge.draft(0);
    forge.add(kept, forge.spend([coin], [{ value: coin.value, script: Uint8Array.of(OP_1) }]), 0);
    const left = 20_000 - countLegacy(forge, kept);
    const broken = cloneDraft(kept);
    fill(kept, new Uint8Array(left - 1).fill(OP_CHECKSIG));
    fill(broken, new Uint8Array(left).fill(OP_CHECKSIG));
    return sealed(forge, broken, kept);
  };
}

const inScriptHash = (script: Uint8Array): Lock => ({
  kind: "anyone-p2sh",
  script: wrapScript(script, "legacy"),
  unlock: () => ({ script: pushData(script), witness: [] }),
});

const inWitnessScript = (script: Uint8Array): Lock => ({
  kind: "anyone-p2wsh",
  script: wrapScript(script, "bech32"),
  unlock: () => ({ script: new Uint8Array(0), witness: [script] }),
});

/** The witness script's hash, inside P2SH. */
const inBoth = (script: Uint8Array): Lock => {
  const program = wrapScript(script, "bech32");
  return {
    kind: "anyone-p2wsh",
    script: wrapScript(script, "p2sh-segwit"),
    unlock: () => ({ script: pushData(program), witness: [script] }),
  };
};

export const SIZE_RULES: readonly BlockRule[] = [
  rule("bad-blk-length", empty, "bad-blk-length: empty"),
  rule("bad-blk-length", stripped, "bad-blk-length: a million", RARE),
  rule("bad-blk-weight", weight, "bad-blk-weight", RARE),
  rule("bad-blk-sigops", legacy(OP_CHECKSIG, 1), "bad-blk-sigops: CHECKSIG", 1 / 2),
  rule("bad-blk-sigops", legacy(OP_CHECKMULTISIG, 20), "bad-blk-sigops: CHECKMULTISIG"),
  rule("bad-blk-sigops", spent(4, inScriptHash), "bad-blk-sigops: P2SH", 1 / 2),
  rule("bad-blk-sigops", spent(1, inWitnessScript), "bad-blk-sigops: P2WSH", 1 / 2),
  rule("bad-blk-sigops", spent(1, inBoth), "bad-blk-sigops: P2WSH in P2SH", 1 / 2),
  rule("bad-blk-sigops", ofKey("p2wpkh"), "bad-blk-sigops: P2WPKH", 1 / 2),
  rule("bad-blk-sigops", ofKey("p2sh-p2wpkh"), "bad-blk-sigops: P2WPKH in P2SH", 1 / 2),
];
