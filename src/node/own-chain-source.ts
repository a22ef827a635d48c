/**
 * The chain behind the wallet when the node runs its own ledger. `wiring.ts` makes the subscriptions, the first
 * after the acceptor's, so that the mempool has followed the move already:
 *
 *   chain.updated.on((update) => source.chainMoved(update));
 *   mempool.added.on((event) => source.mempoolAdded(event));
 *   mempool.removed.on((event) => source.mempoolRemoved(event));
 *
 * What touches a follower's scripts is found under the chain-state lock, while block and coins are at hand; followers
 * are told outside of it, in order, so that a slow one holds up nobody but the others.
 */
import { toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { Signal } from "#base/lib/events.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { BlockUpdate, ChainUpdate, HashedBlock } from "#ledger/chain/chain-update.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { undoPrevouts } from "#ledger/chain/undo.ts";
import type { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import { type FeeEstimator, MAX_TARGET } from "#ledger/mempool/fee-estimator.ts";
import type { AddedEvent, Mempool, RemovedEvent } from "#ledger/mempool/mempool.ts";
import type { MempoolEntry } from "#ledger/mempool/mempool-entry.ts";
import type { PeerControl } from "#ledger/peers/peer-control.ts";
import type { BlockPlace, ChainChange, ChainSource, ChainTx } from "#money/ports/chain-source.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import type { Prevouts } from "#protocol/bitcoin/prevouts.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { hashTxs, txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { ScriptWatch } from "./script-watch.ts";

export interface OwnChainDependencies {
  readonly chain: ChainState;
  readonly mempool: Mempool;
  readonly acceptor: MempoolAcceptor;
  readonly fees: Pick<FeeEstimator, "estimate">;
  /** Undefined where the node takes part in no p2p network. */
  readonly peers: Pick<PeerControl, "broadcastTransaction"> | undefined;
  readonly log: Logger;
}

/** Mempool transactions looked at in one go, between which others may hold the chain-state lock. */
const MEMPOOL_SLICE = 256;
/** Largest transaction that can be in a block. */
const MAX_TX_BYTES = 4_000_000;

type FollowedTxs = ReadonlyMap<string, readonly ChainTx[]>;

/** What waits to be told. */
type Happening =
  | { readonly kind: "added"; readonly tx: ChainTx; readonly followers: ReadonlySet<string> }
  | { readonly kind: "removed"; readonly txid: string; readonly followers: ReadonlySet<string> }
  | {
      readonly kind: "moved";
      readonly disconnected: readonly BlockPlace[];
      readonly connected: readonly { readonly block: BlockPlace; readonly txs: FollowedTxs }[];
      readonly tip: BlockPlace;
    };

export class OwnChainSource implements ChainSource {
  readonly changed: ChainSource["changed"] = new Signal();
  readonly #parts: OwnChainDependencies;
  readonly #watch = new ScriptWatch();
  /** Who was told of a mempool transaction, by txid. */
  readonly #told = new Map<string, Set<string>>();
  #happenings: Happening[] = [];
  #telling: Promise<void> | undefined;
  /** The tip that followers know of. */
  #toldTip: BlockPlace | undefined;

  constructor(parts: OwnChainDependencies) {
    this.#parts = parts;
  }

  /** The tip, once everything up to it was told. Not to be awaited by who is being told. */
  async tip(): Promise<BlockPlace> {
    await this.settled();
    return placeOf(this.#parts.chain.tip);
  }

  /** Resolves when all that happened so far was told. */
  async settled(): Promise<void> {
    await this.#telling;
  }

  async blockAt(height: number): Promise<BlockPlace | undefined> {
    const node = Number.isSafeInteger(height) && height >= 0 ? this.#parts.chain.activeAt(height) : undefined;
    return node === undefined ? undefined : placeOf(node);
  }

  async watch(follower: string, scripts: readonly Uint8Array[]): Promise<void> {
    if (this.#watch.followers.size === 0) this.#toldTip = placeOf(this.#parts.chain.tip);
    this.#watch.add(follower, scripts);
  }

  async forget(follower: string): Promise<void> {
    this.#watch.remove(follower);
    for (const [txid, followers] of this.#told) {
      followers.delete(follower);
      if (followers.size === 0) this.#told.delete(txid);
    }
  }

  async *scan(follower: string, from: number): AsyncGenerator<ChainChange> {
    const { chain } = this.#parts;
    let last: HeaderNode | undefined;
    for (;;) {
      const left = last === undefined ? [] : this.#leftSince(last);
      if (left.length > 0) {
        last = chain.forkPoint(last!);
        yield { ...NOTHING, disconnected: left, tip: placeOf(last) };
      }
      const node = last === undefined ? chain.activeAt(Math.max(0, from)) : chain.next(last);
      if (node === undefined) break;
      const block = await this.#storedBlock(node);
      // Whoever reorganised the chain meanwhile is noticed above.
      if (!chain.isActive(node)) continue;
      const txs = block === undefined ? [] : this.#txsOf(node, block, follower);
      last = node;
      yield { ...NOTHING, connected: [{ block: placeOf(node), txs }], tip: placeOf(node) };
    }
    yield* this.#scanMempool(follower, placeOf(last ?? chain.tip));
  }

  /** Blocks from `last` down that are not in the chain any more. */
  #leftSince(last: HeaderNode): BlockPlace[] {
    const left: BlockPlace[] = [];
    const fork = this.#parts.chain.forkPoint(last);
    for (let node = last; node !== fork && node.prev !== null; node = node.prev) left.push(placeOf(node));
    return left;
  }

  async #storedBlock(node: HeaderNode): Promise<{ block: HashedBlock; spent: Prevouts } | undefined> {
    const { chain } = this.#parts;
    // Nobody can spend what genesis pays.
    if (node.prev === null) return undefined;
    const block = parseBlock(await chain.readBlock(node));
    return { block: { block, hashes: hashTxs(block.txs) }, spent: await this.#spentIn(node, block.txs) };
  }

  async #spentIn(node: HeaderNode, txs: TxTable): Promise<Prevouts> {
    return undoPrevouts(txs, await this.#parts.chain.readBlockUndo(node));
  }

  #txsOf(
    node: HeaderNode,
    { block, spent }: { block: HashedBlock; spent: Prevouts },
    follower: string,
  ): readonly ChainTx[] {
    return this.#followedIn(node, block, spent).get(follower) ?? [];
  }

  async *#scanMempool(follower: string, tip: BlockPlace): AsyncGenerator<ChainChange> {
    const { chain, mempool } = this.#parts;
    const entries = [...mempool.entries()];
    for (let at = 0; at < entries.length; at += MEMPOOL_SLICE) {
      const found = await chain.lock.run(async () => {
        const txs: ChainTx[] = [];
        for (const entry of entries.slice(at, at + MEMPOOL_SLICE)) {
          if (mempool.get(entry.txid) !== entry) continue;
          const followers = await this.#followersOf(entry);
          if (!followers.has(follower)) continue;
          const tx = mempoolTx(entry);
          this.#tell(tx.txid, follower);
          txs.push(tx);
        }
        return txs;
      });
      if (found.length > 0) yield { ...NOTHING, mempoolAdded: found, tip };
    }
    yield { ...NOTHING, tip };
  }

  #tell(txid: string, follower: string): void {
    const told = this.#told.get(txid) ?? new Set();
    told.add(follower);
    this.#told.set(txid, told);
  }

  async broadcast(raw: Uint8Array): ReturnType<ChainSource["broadcast"]> {
    const table = decode(raw);
    if (table === undefined) return { ok: false, reason: "the transaction does not parse" };
    const { chain, mempool, acceptor, peers } = this.#parts;
    const hashes = hashTxs(table);
    const txid = txidAt(hashes, 0);
    const reason = await chain.lock.run(async () => {
      if (mempool.has(txid)) return undefined;
      const result = await acceptor.acceptLocked(table);
      if (!result.accepted) return rejectionText(result.rejection);
      mempool.addUnbroadcast(txid);
      return undefined;
    });
    if (reason !== undefined) return { ok: false, reason };
    peers?.broadcastTransaction(txid, wtxidAt(hashes, 0));
    return { ok: true, txid: toHexReversed(txid) };
  }

  async feeRate(blocks: number): Promise<number | undefined> {
    return this.#parts.fees.estimate(Math.min(blocks, MAX_TARGET)).perKvb;
  }

  async minimumFeeRate(): Promise<number> {
    return this.#parts.mempool.info().mempoolMinFee;
  }

  /** The tip moved; under the chain-state lock. */
  async chainMoved(update: ChainUpdate): Promise<void> {
    if (this.#watch.followers.size === 0) return;
    const connected = [];
    for (const each of update.connected) {
      connected.push({ block: placeOf(each.node), txs: await this.#followedTxs(each) });
    }
    this.#happened({
      kind: "moved",
      disconnected: update.disconnected.map(({ node }) => placeOf(node)),
      connected,
      tip: placeOf(update.tip),
    });
  }

  async #followedTxs(update: BlockUpdate): Promise<FollowedTxs> {
    if (this.#watch.isEmpty) return new Map();
    const block = await update.load();
    const spent = update.node.prev === null ? undefined : await this.#spentIn(update.node, block.block.txs);
    return this.#followedIn(update.node, block, spent);
  }

  #followedIn(node: HeaderNode, { block, hashes }: HashedBlock, spent: Prevouts | undefined): FollowedTxs {
    const found = new Map<string, ChainTx[]>();
    const { txs } = block;
    const place = placeOf(node);
    for (let tx = 0; tx < txs.txCount; tx++) {
      const followers = new Set<string>();
      this.#collectOutputs(txs, tx, followers);
      const fee = spent === undefined ? undefined : this.#collectSpent(txs, tx, spent, followers);
      if (followers.size === 0) continue;
      const txid = toHexReversed(txidAt(hashes, tx));
      const known: ChainTx = {
        raw: txs.raw(tx).slice(),
        txid,
        block: place,
        position: tx,
        ...(fee !== undefined && { fee }),
      };
      this.#told.delete(txid);
      for (const follower of followers) {
        const own = found.get(follower) ?? [];
        own.push(known);
        found.set(follower, own);
      }
    }
    return found;
  }

  #collectOutputs(txs: TxTable, tx: number, into: Set<string>): void {
    const first = txs.firstOutput(tx);
    for (let output = first; output < first + txs.outputCount(tx); output++) {
      const start = txs.outputScriptStart(output);
      this.#watch.collect(txs.bytes, start, start + txs.outputScriptLength(output), into);
    }
  }

  /** @returns the fee; `undefined` for a coinbase */
  #collectSpent(txs: TxTable, tx: number, spent: Prevouts, into: Set<string>): number | undefined {
    if (txs.isCoinbase(tx)) return undefined;
    const first = txs.firstInput(tx);
    let fee = 0;
    for (let input = first; input < first + txs.inputCount(tx); input++) {
      this.#watch.collect(spent.scripts, spent.offsets[input]!, spent.offsets[input + 1]!, into);
      fee += spent.amount(input);
    }
    const firstOutput = txs.firstOutput(tx);
    for (let output = firstOutput; output < firstOutput + txs.outputCount(tx); output++) {
      fee -= txs.value(output);
    }
    return fee;
  }

  /** A transaction came into the mempool; under the chain-state lock. */
  async mempoolAdded({ entry }: AddedEvent): Promise<void> {
    if (this.#watch.isEmpty) return;
    const followers = await this.#followersOf(entry);
    if (followers.size === 0) return;
    const tx = mempoolTx(entry);
    this.#told.set(tx.txid, followers);
    this.#happened({ kind: "added", tx, followers: new Set(followers) });
  }

  async #followersOf(entry: MempoolEntry): Promise<Set<string>> {
    const { chain, mempool } = this.#parts;
    const { table } = entry;
    const followers = new Set<string>();
    this.#collectOutputs(table, 0, followers);
    const inChain: Uint8Array[] = [];
    for (let input = 0; input < table.inputTotal; input++) {
      const parent = mempool.get(table.prevTxid(input))?.table;
      if (parent === undefined) {
        inChain.push(table.bytes.subarray(table.outpoint(input), table.outpoint(input) + 36));
      } else {
        const start = parent.outputScriptStart(table.prevIndex(input));
        const end = start + parent.outputScriptLength(table.prevIndex(input));
        this.#watch.collect(parent.bytes, start, end, followers);
      }
    }
    await chain.coins.prefetch(inChain);
    for (const outpoint of inChain) {
      const script = chain.coins.get(outpoint)?.script;
      if (script !== undefined) this.#watch.collect(script, 0, script.length, followers);
    }
    return followers;
  }

  /** A transaction left the mempool; under the chain-state lock. */
  mempoolRemoved({ entry, reason }: RemovedEvent): void {
    const txid = toHexReversed(entry.txid);
    const followers = this.#told.get(txid);
    if (followers === undefined || reason === "block") return;
    this.#told.delete(txid);
    this.#happened({ kind: "removed", txid, followers });
  }

  #happened(happening: Happening): void {
    this.#happenings.push(happening);
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
    });
  }

  async #tellAll(): Promise<void> {
    // What one caller of ours causes in a row is told together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#happenings.length > 0) {
      const moved = this.#happenings.findIndex(({ kind }) => kind === "moved");
      const batch = this.#happenings.splice(0, moved < 0 ? this.#happenings.length : moved + 1);
      const last = batch.at(-1);
      if (last?.kind === "moved") this.#toldTip = last.tip;
      for (const follower of [...this.#watch.followers]) {
        const change = changeFor(follower, batch, this.#toldTip ?? placeOf(this.#parts.chain.tip));
        if (change === undefined) continue;
        await this.changed.emit({ follower, change }).catch((error: Error) => {
          this.#parts.log.error(`${follower} could not follow the chain: ${error.message}`);
        });
      }
    }
  }
}

const NOTHING = { disconnected: [], connected: [], mempoolAdded: [], mempoolRemoved: [] } as const;

/** What a batch, with one move of the tip at most and at its end, means to a follower. */
function changeFor(follower: string, batch: readonly Happening[], tip: BlockPlace): ChainChange | undefined {
  const added = new Map<string, ChainTx>();
  const removed = new Set<string>();
  let moved: Extract<Happening, { kind: "moved" }> | undefined;
  for (const happening of batch) {
    if (happening.kind === "moved") moved = happening;
    else if (!happening.followers.has(follower)) continue;
    else if (happening.kind === "added") {
      added.set(happening.tx.txid, happening.tx);
      removed.delete(happening.tx.txid);
    } else {
      added.delete(happening.txid);
      removed.add(happening.txid);
    }
  }
  if (moved === undefined && added.size === 0 && removed.size === 0) return undefined;
  const connected = (moved?.connected ?? []).map(({ block, txs }) => ({
    block,
    txs: txs.get(follower) ?? [],
  }));
  for (const { txs } of connected) for (const { txid } of txs) added.delete(txid);
  return {
    disconnected: moved?.disconnected ?? [],
    connected,
    mempoolAdded: [...added.values()],
    mempoolRemoved: [...removed],
    tip: moved?.tip ?? tip,
  };
}

function placeOf(node: HeaderNode): BlockPlace {
  return { height: node.height, hash: toHexReversed(node.hash), time: node.time };
}

function mempoolTx(entry: MempoolEntry): ChainTx {
  return { raw: entry.raw, txid: toHexReversed(entry.txid), fee: entry.fee };
}

function decode(raw: Uint8Array): TxTable | undefined {
  if (raw.length > MAX_TX_BYTES) return undefined;
  try {
    // The bytes are the mempool's from now on.
    return parseTx(raw.slice());
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
