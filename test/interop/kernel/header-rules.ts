import { type BlockForge, cloneDraft, type ForgedBlock } from "./block-forge.ts";
import type { BlockRule, Trial } from "./block-rules.ts";
import { rule, sealed, twins } from "./trials.ts";

/** Versions that BIP34, BIP66 and BIP65 outlawed; a negative one is as old as can be. */
const OUTDATED = [0, 1, 2, 3, 0x8000_0000, 0xffff_ffff, 0xa000_0004];
const CURRENT = [4, 5, 0x2000_0000, 0x7fff_ffff, 0x3fff_e000];

const outdatedVersion = OUTDATED.map((version) => {
  const text = `0x${version.toString(16).padStart(8, "0")}`;
  const forge = twins(
    (draft) => {
      draft.version = version;
      return true;
    },
    {
      keep(draft, { random }) {
        draft.version = CURRENT[random.below(CURRENT.length)]!;
        return true;
      },
    },
  );
  return rule(`bad-version(${text})`, forge, `bad-version(${text})`, 1 / OUTDATED.length);
});

/** Two hours less or more some seconds from now: the exact second cannot be aimed at on a clock that runs. */
function tooNew(forge: BlockForge): Trial | undefined {
  const now = Math.floor(Date.now() / 1000);
  // Enough of these in a row would move the median there.
  let future = 0;
  for (let node: ForgedBlock | null = forge.tip, i = 0; node !== null && i < 11; node = node.prev, i++) {
    if (node.time > now - 86_400) future++;
  }
  if (future > 2) return undefined;
  const kept = forge.draft();
  kept.time = now + 7200 - forge.between(5, 60);
  const broken = cloneDraft(kept);
  broken.time = now + 7200 + forge.between(600, 3600);
  // Lock times by the clock look at the median, so the transactions do not mind.
  return sealed(forge, broken, kept);
}

function unknownParent(forge: BlockForge): Trial {
  const draft = forge.draft();
  const change = (raw: Uint8Array) => {
    forge.random.fill(raw.subarray(4, 36));
  };
  return sealed(forge, draft, draft, { change });
}

/** A block that is only found out when it is connected: its coinbase claims too much. */
export function greedyBlock(forge: BlockForge): ForgedBlock {
  const draft = forge.draft();
  draft.coinbase.outputs[0]!.value += forge.between(1, 1000);
  return forge.seal(draft);
}

/** A block that its context refuses: the header is remembered as invalid as well. */
function wrongHeight(forge: BlockForge): ForgedBlock {
  const draft = forge.draft(0);
  draft.coinbase.inputs[0]!.script = Uint8Array.of(4, 1, 2, 3, 4);
  return forge.seal(draft);
}

const invalidBlock = (forge: BlockForge) => (forge.oneIn(2) ? greedyBlock(forge) : wrongHeight(forge));

function onInvalid(forge: BlockForge): Trial {
  const parent = invalidBlock(forge);
  const draft = { ...forge.draft(0), prev: parent, height: parent.height + 1 };
  draft.time = parent.medianTimePast() + 1;
  const broken = forge.seal(draft);
  return { before: [parent.raw], broken: broken.raw, kept: forge.seal(forge.draft()) };
}

function twice(forge: BlockForge): Trial {
  const block = invalidBlock(forge);
  return { before: [block.raw], broken: block.raw, kept: forge.seal(forge.draft()) };
}

/** The same header with one transaction less: the header itself must not be held against anyone. */
function otherTransactions(forge: BlockForge): Trial {
  const draft = forge.draft();
  const kept = forge.seal(draft);
  const coinbase = { ...draft.coinbase, lockTime: 7 };
  return { broken: forge.sealWith(kept, { ...draft, coinbase }), kept };
}

function wrongRoot(forge: BlockForge): Trial {
  const draft = forge.draft();
  const change = (raw: Uint8Array) => {
    raw[36 + forge.random.below(32)]! ^= 1 << forge.random.below(8);
  };
  return sealed(forge, draft, draft, { change });
}

export const HEADER_RULES: readonly BlockRule[] = [
  rule("high-hash", (forge) => {
    const draft = forge.draft();
    return sealed(forge, draft, draft, { missTarget: true });
  }),
  rule(
    "high-hash",
    twins(
      (draft) => {
        // Easier than the network allows, negative, or none.
        draft.bits = 0x2100_ffff;
        return true;
      },
      { seal: { impossibleTarget: true } },
    ),
    "high-hash: no target",
  ),
  rule(
    "bad-diffbits",
    twins((draft, { random }) => {
      draft.bits = [0x207f_fffe, 0x1f7f_ffff, 0x2000_ffff][random.below(3)]!;
      return true;
    }),
  ),
  rule(
    "time-too-old",
    twins(
      (draft, { random }) => {
        draft.time = draft.prev.medianTimePast() - (random.below(2) === 0 ? 0 : random.below(10_000));
        return true;
      },
      {
        keep(draft) {
          draft.time = draft.prev.medianTimePast() + 1;
          return true;
        },
      },
    ),
  ),
  rule("time-too-new", tooNew, "time-too-new", 1 / 2),
  ...outdatedVersion,
  rule("prev-blk-not-found", unknownParent),
  rule("bad-prevblk", onInvalid),
  rule("duplicate-invalid", twice),
  rule("bad-txnmrklroot", wrongRoot),
  rule("bad-txnmrklroot", otherTransactions, "bad-txnmrklroot: same header"),
  rule("bad-txns-duplicate", repeatedTail),
];

/** CVE-2012-2459: the same header over a list whose tail is repeated. */
function repeatedTail(forge: BlockForge): Trial | undefined {
  const draft = forge.draft(forge.between(1, 8));
  const kept = forge.seal(draft);
  const count = draft.txs.length + 1;
  // A tail of `width` leaves fills a subtree that has no sibling when the count is an odd multiple of it.
  const width = count & -count;
  if (count === width) return undefined;
  const coinbase = forge.committed(draft);
  const txs = [...draft.txs, ...draft.txs.slice(-width)];
  return { broken: forge.sealWith(kept, { ...draft, coinbase, txs, commit: "never" }), kept };
}
