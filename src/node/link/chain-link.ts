/**
 * `ChainSource` across the link: the sharing process follows the chain through the ledger's process. Its followers
 * carry a prefix there, so that it can neither read nor extend the set of a wallet.
 */
import { z } from "zod";
import { Signal } from "#base/lib/events.ts";
import type { BlockPlace, ChainChange, ChainSource, ChainTx } from "#money/ports/chain-source.ts";
import type { Link } from "../link.ts";
import { LinkFailure } from "./own-calls.ts";
import { Refused, type ServedMethods, served, servedStream } from "./served-calls.ts";

const PREFIX = "sharing/";
/** Followers that the sharing process may have, and scripts of all of them. */
const MAX_FOLLOWERS = 16;
const MAX_SCANS = 2;
const MAX_SCRIPTS = 100_000;
const MAX_SCRIPT_BYTES = 10_000;
const MAX_SCRIPTS_A_CALL = 1000;
/** Changes that wait for a sharing process that does not read; then its stream ends and it scans again. */
const MAX_WAITING = 256;

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const height = z.number().int().min(0).max(0x7fff_ffff);
const bytes = z.instanceof(Uint8Array);
const satoshi = z.number().int().min(0).max(21e14);
const follower = z.string().regex(/^[\w./-]{1,64}$/);

const place: z.ZodType<BlockPlace> = z.strictObject({
  height,
  hash,
  time: z.number().int().min(0),
});
const tx: z.ZodType<ChainTx> = z.strictObject({
  raw: bytes,
  txid: hash,
  block: place.exactOptional(),
  position: z.number().int().min(0).exactOptional(),
  fee: satoshi.exactOptional(),
});
const change: z.ZodType<ChainChange> = z.strictObject({
  disconnected: z.array(place),
  connected: z.array(z.strictObject({ block: place, txs: z.array(tx) })),
  mempoolAdded: z.array(tx),
  mempoolRemoved: z.array(hash),
  tip: place,
});
const verdict = z.union([
  z.strictObject({ ok: z.literal(true), txid: hash }),
  z.strictObject({ ok: z.literal(false), reason: z.string() }),
]);
const nothing = z.null();
const rate = satoshi.nullable();

export interface ServedChain {
  readonly methods: ServedMethods;
  /** Forgets all followers, when the sharing process is gone. */
  end(): Promise<void>;
}

/** The methods by which one sharing process reaches `source`. */
export function serveChain(source: ChainSource): ServedChain {
  const scripts = new Map<string, number>();
  let scanning = 0;
  const total = () => scripts.values().reduce((sum, count) => sum + count, 0);
  const methods: ServedMethods = {
    "chain.tip": served(nothing, () => source.tip()),
    "chain.blockAt": served(z.strictObject({ height: z.number().int() }), async (asked) =>
      source.blockAt(asked.height),
    ),
    "chain.watch": served(
      z.strictObject({
        follower,
        scripts: z.array(bytes.refine((script) => script.length <= MAX_SCRIPT_BYTES)).max(MAX_SCRIPTS_A_CALL),
      }),
      async (asked) => {
        if (!scripts.has(asked.follower) && scripts.size >= MAX_FOLLOWERS) {
          throw new Refused("limit", `more than ${MAX_FOLLOWERS} followers`);
        }
        if (total() + asked.scripts.length > MAX_SCRIPTS) {
          throw new Refused("limit", `more than ${MAX_SCRIPTS} scripts`);
        }
        scripts.set(asked.follower, (scripts.get(asked.follower) ?? 0) + asked.scripts.length);
        await source.watch(PREFIX + asked.follower, asked.scripts);
        return null;
      },
    ),
    "chain.forget": served(z.strictObject({ follower }), async (asked) => {
      scripts.delete(asked.follower);
      await source.forget?.(PREFIX + asked.follower);
      return null;
    }),
    "chain.scan": servedStream(z.strictObject({ follower, from: height }), async function* (asked) {
      // A scan reads blocks from disk: few at a time, and only for who follows something.
      if (!scripts.has(asked.follower)) throw new Refused("not-allowed", "this follower follows nothing");
      if (scanning >= MAX_SCANS) throw new Refused("limit", `more than ${MAX_SCANS} scans at a time`);
      scanning++;
      try {
        yield* source.scan(PREFIX + asked.follower, asked.from);
      } finally {
        scanning--;
      }
    }),
    "chain.changed": servedStream(nothing, (_asked, signal) => changesOf(source, signal)),
    "chain.broadcast": served(z.strictObject({ raw: bytes }), (asked) => source.broadcast(asked.raw)),
    "chain.feeRate": served(
      z.strictObject({ blocks: z.number().int().min(1).max(1008) }),
      async (asked) => (await source.feeRate(asked.blocks)) ?? null,
    ),
    "chain.minimumFeeRate": served(nothing, () => source.minimumFeeRate()),
  };
  return {
    methods,
    async end() {
      for (const name of scripts.keys()) await source.forget?.(PREFIX + name);
    },
  };
}

/** The changes of the sharing process's own followers, under the names it gave them. */
async function* changesOf(source: ChainSource, signal: AbortSignal): AsyncGenerator<unknown> {
  const waiting: unknown[] = [];
  let wake = () => {};
  let isLate = false;
  const off = source.changed.on((update) => {
    if (!update.follower.startsWith(PREFIX)) return;
    isLate ||= waiting.length >= MAX_WAITING;
    if (!isLate) waiting.push({ follower: update.follower.slice(PREFIX.length), change: update.change });
    wake();
  });
  signal.addEventListener("abort", () => wake(), { once: true });
  try {
    // The other side waits for this before it says that it follows.
    yield null;
    while (!signal.aborted) {
      while (waiting.length > 0) yield waiting.shift();
      if (isLate) throw new Refused("limit", "the changes were not read");
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (waiting.length > 0 || isLate || signal.aborted) resolve();
      });
    }
  } finally {
    off();
  }
}

const update = z.strictObject({ follower, change });

/** The ledger's chain, as the sharing process has it. A call rejects with LinkFailure when the link goes. */
export class LinkedChainSource implements ChainSource {
  readonly changed = new Signal<{ readonly follower: string; readonly change: ChainChange }>();
  readonly #link: Link;
  #following: Promise<void> | undefined;

  constructor(link: Link) {
    this.#link = link;
  }

  /** Begins to follow the chain's changes; resolves when none is missed from then on. */
  follow(): Promise<void> {
    this.#following ??= this.#follow();
    return this.#following;
  }

  async #follow(): Promise<void> {
    const updates = this.#link.stream("chain.changed", null);
    await updates.next();
    void (async () => {
      for await (const item of updates) await this.changed.emit(update.parse(item));
    })().catch((error: Error) => this.#link.close(`the chain's changes broke off: ${error.message}`));
  }

  async tip(): Promise<BlockPlace> {
    return place.parse(await this.#call("chain.tip", null));
  }

  async blockAt(at: number): Promise<BlockPlace | undefined> {
    return place.nullable().parse(await this.#call("chain.blockAt", { height: at })) ?? undefined;
  }

  async watch(name: string, scripts: readonly Uint8Array[]): Promise<void> {
    await this.follow();
    for (let at = 0; at === 0 || at < scripts.length; at += MAX_SCRIPTS_A_CALL) {
      const some = scripts.slice(at, at + MAX_SCRIPTS_A_CALL);
      await this.#call("chain.watch", { follower: name, scripts: some });
    }
  }

  async forget(name: string): Promise<void> {
    await this.#call("chain.forget", { follower: name });
  }

  async *scan(name: string, from: number): AsyncIterable<ChainChange> {
    for await (const item of this.#link.stream("chain.scan", { follower: name, from }))
      yield change.parse(item);
  }

  async broadcast(raw: Uint8Array): ReturnType<ChainSource["broadcast"]> {
    return verdict.parse(await this.#call("chain.broadcast", { raw }));
  }

  async feeRate(blocks: number): Promise<number | undefined> {
    return rate.parse(await this.#call("chain.feeRate", { blocks })) ?? undefined;
  }

  async minimumFeeRate(): Promise<number> {
    return satoshi.parse(await this.#call("chain.minimumFeeRate", null));
  }

  async #call(method: string, argument: unknown): Promise<unknown> {
    const outcome = await this.#link.call(method, argument);
    if (outcome.ok) return outcome.value;
    throw new LinkFailure(outcome.code, outcome.text);
  }
}
