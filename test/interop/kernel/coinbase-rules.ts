import { concatBytes } from "#base/lib/bytes.ts";
import { pushData, pushNumber } from "#protocol/bitcoin/script.ts";
import { type BlockForge, cloneDraft, cloneTransaction, type Draft } from "./block-forge.ts";
import type { BlockRule, Trial } from "./block-rules.ts";
import { rule, sealed, twins } from "./trials.ts";

const setScript = (draft: Draft, script: Uint8Array): boolean => {
  draft.coinbase.inputs[0]!.script = script;
  return true;
};

/** The height's push, padded to `length` bytes. */
const padded = (height: number, length: number): Uint8Array => {
  const script = new Uint8Array(length);
  script.set(pushNumber(height));
  return script;
};

/** Pushes that are not BIP34's for this height. */
function wrongPushes(height: number): Uint8Array[] {
  const right = pushNumber(height);
  const data = right.length > 1 ? right.subarray(1) : Uint8Array.of(height);
  return [
    pushNumber(height + 1),
    pushNumber(Math.max(0, height - 1)),
    // The same number in a longer push.
    pushData(concatBytes(data, Uint8Array.of(0))),
    concatBytes(Uint8Array.of(0x4c), pushData(data)),
    Uint8Array.of(0, 0),
    ...(right.length === 1 ? [pushData(data)] : []),
  ];
}

/** BIP34's push to the byte and nothing else where that is allowed. */
const exactHeight = (draft: Draft) => {
  const push = pushNumber(draft.height);
  return setScript(draft, push.length >= 2 ? push : concatBytes(push, Uint8Array.of(0)));
};

const wrongHeight = twins(
  (draft, { random }) => {
    const pushes = wrongPushes(draft.height);
    return setScript(
      draft,
      concatBytes(pushes[random.below(pushes.length)]!, random.fill(new Uint8Array(2))),
    );
  },
  { keep: exactHeight },
);

/** A script that starts with the height's push broken off. */
const cutHeight = twins((draft) => {
  const push = pushNumber(draft.height);
  return push.length > 2 && setScript(draft, push.subarray(0, -1));
});

const tooLong = twins((draft) => setScript(draft, padded(draft.height, 101)), {
  keep: (draft) => setScript(draft, padded(draft.height, 100)),
});

const tooShort = twins(
  (draft, { random }) => setScript(draft, pushNumber(draft.height).slice(0, random.below(2))),
  { keep: exactHeight },
);

/** The coinbase a transaction later, or none at all. */
function missing(forge: BlockForge): Trial | undefined {
  const draft = forge.draft(1);
  const [first] = draft.txs;
  if (first === undefined) return undefined;
  const broken = cloneDraft(draft);
  broken.commit = "never";
  broken.txs = forge.oneIn(2) ? [] : [broken.coinbase];
  broken.coinbase = cloneTransaction(first);
  return sealed(forge, broken, draft);
}

const second = twins((draft, forge) => {
  const again = cloneTransaction(draft.coinbase);
  again.lockTime = 1;
  draft.txs.splice(forge.random.below(draft.txs.length + 1), 0, again);
  return true;
});

const claim = (extra: (forge: BlockForge) => number) =>
  twins((draft, forge) => {
    draft.coinbase.outputs[0]!.value += extra(forge);
    return true;
  });

export const COINBASE_RULES: readonly BlockRule[] = [
  rule("bad-cb-missing", missing),
  rule("bad-cb-multiple", second),
  rule("bad-cb-length", tooLong, "bad-cb-length: 101"),
  rule("bad-cb-length", tooShort, "bad-cb-length: 0 or 1"),
  rule("bad-cb-height", wrongHeight),
  rule("bad-cb-height", cutHeight, "bad-cb-height: cut", 1 / 2),
  rule(
    "bad-cb-amount",
    claim(() => 1),
    "bad-cb-amount: by one",
  ),
  rule(
    "bad-cb-amount",
    claim((forge) => forge.between(2, 1_000_000_000)),
    "bad-cb-amount: by more",
  ),
];
