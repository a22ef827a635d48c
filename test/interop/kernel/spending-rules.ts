import { OP_RETURN } from "#protocol/bitcoin/opcodes.ts";
import { type BlockForge, cloneDraft, type Draft, type ForgeCoin } from "./block-forge.ts";
import type { BlockRule, Trial } from "./block-rules.ts";
import { randomSecret } from "./forge-locks.ts";
import { rule, sealed } from "./trials.ts";

/** A draft with a transaction that spends `coin`, whole, into `outputs` random ones. */
function spending(
  forge: BlockForge,
  coin: ForgeCoin,
  change: Parameters<BlockForge["spend"]>[2] = {},
): Draft {
  const draft = forge.draft(0);
  forge.add(draft, forge.spend([coin], forge.outputs(coin.value, forge.between(1, 2)), change), 0);
  return draft;
}

/** Spends something that is not there, where its twin spends what is. */
function missing(find: (forge: BlockForge, coin: ForgeCoin) => ForgeCoin | undefined) {
  return (forge: BlockForge): Trial | undefined => {
    const coin = forge.pick();
    const absent = coin === undefined ? undefined : find(forge, coin);
    if (coin === undefined || absent === undefined) return undefined;
    const kept = spending(forge, coin);
    const broken = cloneDraft(kept);
    const { txid, index } = absent;
    Object.assign(broken.txs[0]!.inputs[0]!, { txid, index });
    return sealed(forge, broken, kept);
  };
}

/** A transaction and one that spends its first output, in the wrong order. */
function wrongOrder(forge: BlockForge): Trial | undefined {
  const coin = forge.pick();
  if (coin === undefined) return undefined;
  const kept = forge.draft(0);
  const lock = forge.lock();
  const parent = forge.spend([coin], [{ value: coin.value, script: lock.script }]);
  const child = forge.spend([forge.coinOf(parent, 0, lock, kept.height)], forge.outputs(coin.value, 1));
  kept.txs = [parent, child];
  const broken = cloneDraft(kept);
  broken.txs.reverse();
  return sealed(forge, broken, kept);
}

/** Two transactions of a block spend the same coin; its twin has one of them. */
function spentTwice(forge: BlockForge): Trial | undefined {
  const coin = forge.pick();
  if (coin === undefined) return undefined;
  const kept = spending(forge, coin);
  const broken = cloneDraft(kept);
  broken.txs.push(forge.spend([coin], forge.outputs(coin.value, 3)));
  return sealed(forge, broken, kept);
}

/** An output that can never be spent is not kept as a coin. */
function unspendable(forge: BlockForge): Trial | undefined {
  const coin = forge.pick();
  if (coin === undefined) return undefined;
  const kept = forge.draft(0);
  const burn = Uint8Array.of(OP_RETURN);
  const free = forge.lock("anyone");
  const parent = forge.spend(
    [coin],
    [
      { value: 0, script: burn },
      { value: coin.value, script: free.script },
    ],
  );
  const child = forge.spend([forge.coinOf(parent, 1, free, kept.height)], forge.outputs(coin.value, 1));
  kept.txs = [parent, child];
  const broken = cloneDraft(kept);
  broken.txs[1]!.inputs[0]!.index = 0;
  return sealed(forge, broken, kept);
}

const immature =
  (least: number) =>
  (forge: BlockForge): Trial | undefined => {
    const height = forge.tip.height + 1;
    const coins = [...forge.coins].filter(({ coinbase, value }) => coinbase && value > 0);
    const young = coins.filter((coin) => height - coin.height >= least && height - coin.height < 100);
    const ripe = coins.find((coin) => height - coin.height === 100);
    const tooYoung = young[forge.random.below(Math.max(1, young.length))];
    if (ripe === undefined || tooYoung === undefined) return undefined;
    return sealed(forge, spending(forge, tooYoung), spending(forge, ripe));
  };

function belowOut(forge: BlockForge): Trial | undefined {
  const coin = forge.pick();
  if (coin === undefined) return undefined;
  const kept = spending(forge, coin);
  const broken = forge.draft(0);
  broken.txs = [
    forge.spend([coin], [{ value: coin.value + forge.between(1, 3), script: forge.lock().script }]),
  ];
  return sealed(forge, broken, kept);
}

/** Two transactions that spend `coin` under a lock, one a step too early. */
function locked(
  change: (draft: Draft, coin: ForgeCoin, step: 0 | 1) => Parameters<BlockForge["spend"]>[2] | undefined,
) {
  return (forge: BlockForge): Trial | undefined => {
    const coin = forge.pick();
    if (coin === undefined) return undefined;
    const drafts = ([1, 0] as const).map((step) => {
      const draft = forge.draft(0);
      const how = change(draft, coin, step);
      if (how !== undefined) draft.txs = [forge.spend([coin], forge.outputs(coin.value, 1), how)];
      return how === undefined ? undefined : draft;
    });
    const [broken, kept] = drafts;
    return broken === undefined || kept === undefined ? undefined : sealed(forge, broken, kept);
  };
}

const TYPE = 0x40_0000;

/** BIP68 by time: units of 512 seconds since the median time before the coin's block. */
function elapsedUnits(draft: Draft, coin: ForgeCoin): number {
  const start = draft.prev.ancestor(Math.max(coin.height - 1, 0))!.medianTimePast();
  return Math.floor((draft.prev.medianTimePast() - start) / 512);
}

/** The coinbase, by its own lock time and a sequence that heeds it. */
function coinbaseLocked(forge: BlockForge): Trial {
  const kept = forge.draft();
  kept.coinbase.inputs[0]!.sequence = 0;
  kept.coinbase.lockTime = kept.height - 1;
  const broken = cloneDraft(kept);
  broken.coinbase.lockTime = kept.height;
  return sealed(forge, broken, kept);
}

const unknown = (forge: BlockForge, coin: ForgeCoin): ForgeCoin => ({
  ...coin,
  txid: randomSecret(forge.random),
});

export const SPENDING_RULES: readonly BlockRule[] = [
  rule("bad-txns-inputs-missingorspent", missing(unknown), "bad-txns-inputs-missingorspent: unknown"),
  rule(
    "bad-txns-inputs-missingorspent",
    missing((forge, coin) => ({ ...coin, index: coin.index + forge.between(20, 1000) })),
    "bad-txns-inputs-missingorspent: index",
  ),
  rule(
    "bad-txns-inputs-missingorspent",
    missing(({ tip }) => tip.spent[0] ?? tip.prev?.spent[0]),
    "bad-txns-inputs-missingorspent: spent",
  ),
  rule(
    "bad-txns-inputs-missingorspent",
    missing(({ genesis }, coin) => ({ ...coin, txid: genesis.raw.slice(36, 68), index: 0 })),
    "bad-txns-inputs-missingorspent: genesis",
    1 / 2,
  ),
  rule("bad-txns-inputs-missingorspent", wrongOrder, "bad-txns-inputs-missingorspent: order"),
  rule("bad-txns-inputs-missingorspent", spentTwice, "bad-txns-inputs-missingorspent: twice"),
  rule("bad-txns-inputs-missingorspent", unspendable, "bad-txns-inputs-missingorspent: unspendable"),
  rule("bad-txns-premature-spend-of-coinbase", immature(99), "bad-txns-premature-spend-of-coinbase: by one"),
  rule("bad-txns-premature-spend-of-coinbase", immature(0), "bad-txns-premature-spend-of-coinbase: by more"),
  rule("bad-txns-in-belowout", belowOut),
  rule(
    "bad-txns-nonfinal",
    locked(({ height }, _, step) => ({ lockTime: height - 1 + step })),
    "bad-txns-nonfinal: height",
  ),
  rule(
    "bad-txns-nonfinal",
    locked(({ prev }, _, step) => ({ lockTime: prev.medianTimePast() - 1 + step })),
    "bad-txns-nonfinal: time",
  ),
  rule("bad-txns-nonfinal", coinbaseLocked, "bad-txns-nonfinal: coinbase"),
  rule(
    "bad-txns-nonfinal",
    locked((draft, coin, step) => ({ sequence: draft.height - coin.height + step })),
    "bad-txns-nonfinal: BIP68 height",
  ),
  rule(
    "bad-txns-nonfinal",
    locked((draft, coin, step) => {
      const units = elapsedUnits(draft, coin) + step;
      return units > 0xffff ? undefined : { sequence: TYPE | units };
    }),
    "bad-txns-nonfinal: BIP68 time",
  ),
  rule(
    "bad-txns-nonfinal",
    // From version 2 on, and that without a sign.
    locked((_, __, step) => ({ sequence: 0xffff, version: step === 0 ? 1 : 0xffff_ffff })),
    "bad-txns-nonfinal: BIP68 version",
  ),
];
