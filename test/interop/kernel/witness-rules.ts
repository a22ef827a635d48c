import { hasWitness, type Transaction } from "#protocol/bitcoin/transaction.ts";
import { type BlockForge, cloneDraft, type Draft } from "./block-forge.ts";
import type { BlockRule, Trial } from "./block-rules.ts";
import { rule, sealed } from "./trials.ts";

/** A block that commits, and the same header with its witnesses changed. */
function sameHeader(change: (coinbase: Transaction, draft: Draft, forge: BlockForge) => boolean) {
  return (forge: BlockForge): Trial | undefined => {
    const draft = forge.draft();
    draft.commit = "always";
    const kept = forge.seal(draft);
    const other = cloneDraft(draft);
    const coinbase = forge.committed(other);
    if (!change(coinbase, other, forge)) return undefined;
    return { broken: forge.sealWith(kept, { ...other, coinbase, commit: "never" }), kept };
  };
}

const setReserved = (coinbase: Transaction, ...items: Uint8Array[]): boolean => {
  coinbase.inputs[0]!.witness = items;
  return true;
};

const SIZES = [0, 1, 31, 33, 64, 520, 100_000];

/** A draft with a witness of some transaction's. */
function withWitness(forge: BlockForge): Draft | undefined {
  const coin = forge.pick(({ lock }) => /p2w|p2tr/.test(lock.kind));
  if (coin === undefined) return undefined;
  const draft = forge.draft(0);
  forge.add(draft, forge.spend([coin], forge.outputs(coin.value, 1)), 0);
  return draft;
}

function uncommitted(forge: BlockForge): Trial | undefined {
  const draft = withWitness(forge);
  if (draft === undefined) return undefined;
  const broken = cloneDraft(draft);
  broken.commit = "never";
  return sealed(forge, broken, draft);
}

/** Only the coinbase has a witness, and nothing commits to it. */
function reservedAlone(forge: BlockForge): Trial {
  const draft = forge.draft(0);
  draft.commit = "never";
  const broken = cloneDraft(draft);
  broken.coinbase.inputs[0]!.witness = [new Uint8Array(32)];
  return sealed(forge, broken, draft);
}

/** The output that would commit is a byte too short, or not marked. */
function almostCommitted(forge: BlockForge): Trial | undefined {
  const draft = withWitness(forge);
  if (draft === undefined) return undefined;
  const broken = cloneDraft(draft);
  broken.coinbase = forge.committed(broken);
  const output = broken.coinbase.outputs.at(-1)!;
  output.script = forge.oneIn(2) ? output.script.subarray(0, 37) : output.script.with(1, 0x25);
  broken.commit = "never";
  return sealed(forge, broken, draft);
}

/** Several commitments, other outputs between and after them: the last one counts. */
function lastCounts(forge: BlockForge): Trial | undefined {
  const draft = withWitness(forge);
  if (draft === undefined) return undefined;
  const coinbase = forge.committed(draft);
  const right = coinbase.outputs.at(-1)!;
  const wrong = { value: 0, script: right.script.with(20, right.script[20]! ^ 1) };
  const other = { value: 0, script: Uint8Array.of(forge.random.below(2)) };
  const others = (count: number) => new Array(count).fill(other);
  const outputs = (first: typeof right, last: typeof right) => [
    coinbase.outputs[0]!,
    ...others(forge.random.below(3)),
    first,
    ...others(forge.random.below(3)),
    last,
    ...others(forge.random.below(4)),
  ];
  const withOutputs = (list: typeof coinbase.outputs): Draft => ({
    ...draft,
    commit: "never",
    coinbase: { ...coinbase, outputs: list },
  });
  return sealed(forge, withOutputs(outputs(right, wrong)), withOutputs(outputs(wrong, right)));
}

export const WITNESS_RULES: readonly BlockRule[] = [
  rule(
    "bad-witness-nonce-size",
    sameHeader((coinbase, _, { random }) =>
      setReserved(coinbase, new Uint8Array(SIZES[random.below(SIZES.length)]!)),
    ),
    "bad-witness-nonce-size: bytes",
  ),
  rule(
    "bad-witness-nonce-size",
    sameHeader((coinbase) => setReserved(coinbase, new Uint8Array(32), new Uint8Array(0))),
    "bad-witness-nonce-size: two items",
  ),
  rule(
    "bad-witness-nonce-size",
    sameHeader((coinbase) => setReserved(coinbase)),
    "bad-witness-nonce-size: none",
  ),
  rule(
    "bad-witness-merkle-match",
    sameHeader((coinbase, _, { random }) => setReserved(coinbase, random.fill(new Uint8Array(32)))),
    "bad-witness-merkle-match: reserved value",
  ),
  rule(
    "bad-witness-merkle-match",
    sameHeader((_, { txs }, { random }) => {
      const tx = txs.find((candidate) => hasWitness(candidate));
      const input = tx?.inputs.find(({ witness }) => witness.length > 0);
      input?.witness.splice(random.below(input.witness.length + 1), 0, new Uint8Array(random.below(3)));
      return input !== undefined;
    }),
    "bad-witness-merkle-match: witness",
  ),
  rule("bad-witness-merkle-match", lastCounts, "bad-witness-merkle-match: last commitment"),
  rule("unexpected-witness", uncommitted),
  rule("unexpected-witness", reservedAlone, "unexpected-witness: coinbase"),
  rule("unexpected-witness", almostCommitted, "unexpected-witness: no marker"),
];
