import { toHex } from "#base/lib/bytes.ts";
import { Slices } from "#base/lib/slices.ts";
import type { Txid, Wtxid } from "#protocol/bitcoin/hashes.ts";
import { LOCKTIME_THRESHOLD } from "#protocol/bitcoin/script.ts";
import { parseTx, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import { txidAt, wtxidAt } from "#protocol/bitcoin/txid.ts";
import type { HeaderContext } from "#protocol/consensus/header-context.ts";
import { COINBASE_MATURITY } from "#protocol/consensus/limits.ts";
import { sequenceLocksHold } from "#protocol/consensus/tx-inputs.ts";
import { checkScriptsByPolicy, isFinalAfter, lockPointsOf } from "./accept-steps.ts";
import type { Mempool } from "./mempool.ts";
import type { ChainMove, MempoolChain, MovedBlock } from "./mempool-chain.ts";
import type { LockPoints, MempoolEntry, RemovalReason } from "./mempool-entry.ts";
import { chainOutpoints, findInputs, newWorkspace, outpointOf, type Workspace } from "./workspace.ts";

/** Bytes of disconnected transactions that are kept to be tried again (Core: MAX_DISCONNECTED_TX_POOL_BYTES). */
const MAX_DISCONNECTED_BYTES = 20_000_000;
/** What one of them costs beyond its bytes. */
const TX_OVERHEAD = 500;

/** A transaction that left the chain. One without a workspace, a coinbase or beyond the bound, is not tried again. */
interface Disconnected {
  readonly txid: Txid;
  readonly outputCount: number;
  readonly size: number;
  readonly workspace: Workspace | undefined;
}

/**
 * What connected blocks do to the mempool: a transaction was mined, or another is in conflict with one, up to where a
 * block ends.
 */
type BlockEffect =
  | { readonly mined: Txid }
  | { readonly conflict: MempoolEntry }
  | { readonly endOf: number };

/**
 * What one move of the tip does to the mempool. {@link prepare} reads and checks all that takes time and changes
 * nothing; {@link apply} changes everything at once. The caller holds the chain-state lock from one to the other.
 */
export class ReorgUpdate {
  readonly #mempool: Mempool;
  readonly #chain: MempoolChain;
  readonly #move: ChainMove;
  readonly #maxBytes: number;
  /** What left the chain, by hex of the txid, the tip's last transaction first. */
  readonly #disconnected = new Map<string, Disconnected>();
  #disconnectedBytes = 0;
  /** What was let go for want of room. */
  readonly #dropped: Disconnected[] = [];
  readonly #effects: BlockEffect[] = [];

  constructor(mempool: Mempool, chain: MempoolChain, move: ChainMove, maxBytes = MAX_DISCONNECTED_BYTES) {
    this.#mempool = mempool;
    this.#chain = chain;
    this.#move = move;
    this.#maxBytes = maxBytes;
  }

  async prepare(): Promise<void> {
    for (const block of this.#move.disconnected) await this.#collectDisconnected(block);
    for (const block of this.#move.connected) await this.#collectEffects(block);
    if (this.#move.disconnected.length === 0) return;
    await this.#chain.coins.prefetch(this.#neededOutpoints());
    await this.#verifyScripts();
  }

  /** @param accept takes a transaction in without limits; its entry when it was taken. */
  apply(accept: (workspace: Workspace) => MempoolEntry | undefined): void {
    for (const tx of this.#dropped) this.#removeRecursive(tx, "reorg");
    this.#applyEffects();
    const { connected, disconnected } = this.#move;
    for (let i = 0; i < connected.length + disconnected.length; i++) this.#mempool.tipMoved();
    if (connected.length > 0) this.#mempool.blockConnected();
    if (disconnected.length === 0) return;
    const returned: MempoolEntry[] = [];
    for (const tx of [...this.#disconnected.values()].reverse()) {
      const entry = tx.workspace && accept(tx.workspace);
      if (entry === undefined) this.#removeRecursive(tx, "reorg");
      else returned.push(entry);
    }
    const here = returned.map(({ txid }) => this.#mempool.get(txid)).filter((entry) => entry !== undefined);
    this.#mempool.linkChildren(here);
    this.#removeUnmineable();
  }

  async #collectDisconnected(moved: MovedBlock): Promise<void> {
    const { block, hashes } = await moved.load();
    for (let tx = block.txs.txCount - 1; tx >= 0; tx--) {
      const ids = { txid: txidAt(hashes, tx).slice() as Txid, wtxid: wtxidAt(hashes, tx).slice() as Wtxid };
      this.#keep(ids, block.txs, tx);
    }
    // The first to go are those nearest to the tip: what depends on them goes with them.
    for (const [key, oldest] of this.#disconnected) {
      if (this.#disconnectedBytes <= this.#maxBytes) break;
      this.#disconnected.delete(key);
      this.#disconnectedBytes -= oldest.size;
      this.#dropped.push(oldest);
    }
  }

  #keep(ids: { txid: Txid; wtxid: Wtxid }, txs: TxTable, tx: number): void {
    const coinbase = txs.isCoinbase(tx);
    const workspace = coinbase ? undefined : newWorkspace(parseTx(txs.raw(tx).slice()), ids);
    const size = TX_OVERHEAD + (coinbase ? 0 : txs.size(tx));
    const key = toHex(ids.txid);
    this.#disconnected.set(key, { txid: ids.txid, outputCount: txs.outputCount(tx), size, workspace });
    this.#disconnectedBytes += size;
  }

  async #collectEffects(moved: MovedBlock): Promise<void> {
    const mempool = this.#mempool;
    if (mempool.size > 0 || mempool.deltaCount > 0 || this.#disconnected.size > 0) {
      await this.#collectTransactions(moved);
    }
    this.#effects.push({ endOf: moved.node.height });
  }

  async #collectTransactions(moved: MovedBlock): Promise<void> {
    const mempool = this.#mempool;
    const { block, hashes } = await moved.load();
    const { txs } = block;
    for (let tx = 0; tx < txs.txCount; tx++) {
      const txid = txidAt(hashes, tx);
      if (this.#disconnected.size > 0) this.#disconnected.delete(toHex(txid));
      if (mempool.has(txid) || mempool.feeDelta(txid) !== 0)
        this.#effects.push({ mined: txid.slice() as Txid });
      const first = txs.firstInput(tx);
      for (let input = first; input < first + txs.inputCount(tx); input++) {
        const conflict = mempool.spender(txs.bytes, txs.outpoint(input));
        if (conflict !== undefined) this.#effects.push({ conflict });
      }
    }
  }

  #applyEffects(): void {
    let mined: MempoolEntry[] = [];
    for (const effect of this.#effects) {
      if ("mined" in effect) {
        const entry = this.#mempool.get(effect.mined);
        if (entry !== undefined) {
          mined.push(entry);
          this.#mempool.remove([entry.slot], "block");
        }
        this.#mempool.clearPrioritisation(effect.mined);
      } else if ("conflict" in effect) {
        this.#removeConflict(effect.conflict);
      } else {
        this.#mempool.announceBlock({ height: effect.endOf, mined });
        mined = [];
      }
    }
  }

  #removeConflict({ txid, slot }: MempoolEntry): void {
    // Mined transactions spend what they spend, too, but have left by now.
    if (this.#mempool.get(txid)?.slot !== slot) return;
    this.#mempool.clearPrioritisation(txid);
    this.#mempool.remove(this.#mempool.descendantSlots([slot]), "conflict");
  }

  /** Takes a transaction out with what depends on it, or only that when it is not here itself. */
  #removeRecursive({ txid, outputCount }: Disconnected, reason: RemovalReason): void {
    const entry = this.#mempool.get(txid);
    const from = entry === undefined ? this.#mempool.spendersOf(txid, outputCount) : [entry];
    if (from.length === 0) return;
    this.#mempool.remove(this.#mempool.descendantSlots(from.map(({ slot }) => slot)), reason);
  }

  /** Coins that the transactions to be tried again need, and those by which the others are looked at anew. */
  #neededOutpoints(): Uint8Array[] {
    const outpoints: Uint8Array[] = [];
    for (const { workspace } of this.#disconnected.values()) {
      if (workspace !== undefined) outpoints.push(...this.#unknownOutpoints(workspace.table));
    }
    for (const entry of this.#mempool.entries()) {
      if (entry.spendsCoinbase || !locksStand(entry.lockPoints, this.#move.tip)) {
        outpoints.push(...this.#unknownOutpoints(entry.table));
      }
    }
    return outpoints;
  }

  #unknownOutpoints(table: TxTable): Uint8Array[] {
    const outpoints = chainOutpoints(table, this.#mempool);
    return outpoints.filter((outpoint) => !this.#disconnected.has(toHex(outpoint.subarray(0, 32))));
  }

  /** Checks the scripts ahead, which takes long, so that nothing has to wait in the middle of the change. */
  async #verifyScripts(): Promise<void> {
    const height = this.#move.tip.height + 1;
    const sources = { mempool: this.#mempool, coins: this.#chain.coins, height };
    const packaged = (txid: Uint8Array) => this.#disconnected.get(toHex(txid))?.workspace?.table;
    const slices = new Slices();
    for (const { workspace } of this.#disconnected.values()) {
      if (workspace === undefined || !findInputs(workspace, sources, packaged)) continue;
      workspace.scriptsVerified = checkScriptsByPolicy(workspace) === undefined;
      if (slices.due) await slices.pause();
    }
  }

  /** Takes out what the next block could not hold any more: not final, or spending a coinbase too early. */
  #removeUnmineable(): void {
    const gone: number[] = [];
    for (const entry of this.#mempool.entries()) if (!this.#isMineable(entry)) gone.push(entry.slot);
    this.#mempool.remove(this.#mempool.descendantSlots(gone), "reorg");
  }

  #isMineable(entry: MempoolEntry): boolean {
    const { tip } = this.#move;
    if (!isLockTimePast(entry.lockTime, tip) && !isFinalAfter(tip, entry)) return false;
    let { lockPoints } = entry;
    if (!locksStand(lockPoints, tip)) {
      const workspace = newWorkspace(entry.table, entry);
      const sources = { mempool: this.#mempool, coins: this.#chain.coins, height: tip.height + 1 };
      if (!findInputs(workspace, sources, () => undefined)) return false;
      lockPoints = lockPointsOf(workspace, tip);
      this.#mempool.setLockPoints(entry, lockPoints);
    }
    if (!sequenceLocksHold(lockPoints.locks, tip)) return false;
    return !entry.spendsCoinbase || this.#coinbasesMature(entry.table);
  }

  #coinbasesMature(table: TxTable): boolean {
    for (let input = 0; input < table.inputCount(0); input++) {
      if (this.#mempool.has(table.prevTxid(input))) continue;
      const coin = this.#chain.coins.get(outpointOf(table, input));
      if (coin === undefined) return false;
      if (coin.coinbase && this.#move.tip.height + 1 - coin.height < COINBASE_MATURITY) return false;
    }
    return true;
  }
}

/** Whether the next block is past a lock time, whatever the sequences are. */
function isLockTimePast(lockTime: number, tip: HeaderContext): boolean {
  return lockTime < LOCKTIME_THRESHOLD ? lockTime <= tip.height : lockTime < tip.medianTimePast();
}

/** Whether locks were counted from blocks that are all in the chain of `tip`. */
function locksStand({ locks, blockHash }: LockPoints, tip: HeaderContext): boolean {
  if (blockHash === undefined) return true;
  const block = tip.ancestor(locks.maxInputHeight);
  return block !== null && toHex(block.hash) === toHex(blockHash);
}
