/**
 * Sync of a headers chain whose work is not known yet, in bounded memory (Core: headerssync.cpp). First pass
 * (presync): headers are checked and forgotten, but for one salted bit each few hundred. When the chain has enough
 * work it is asked for again (redownload): the bits prove that it is the same chain, and headers come out for the
 * header tree once enough bits after them have matched.
 */

import { equalBytes, readU32 } from "#base/lib/bytes.ts";
import type { Random } from "#base/lib/random.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import { HEADER_LENGTH } from "#protocol/bitcoin/block-table.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { blockWork, permittedDifficultyTransition } from "#protocol/consensus/pow.ts";
import { SaltedHash } from "./salted-hash.ts";

/** How much memory a sync may take, against how likely a false chain passes (contrib/devtools/headerssync-params.py). */
export interface PresyncParams {
  /** Headers from one commitment to the next. */
  readonly commitmentPeriod: number;
  /** Headers that are held back while later commitments are checked. */
  readonly redownloadBuffer: number;
}

/** Core v31's parameters by network; others get main's. */
const PARAMS: Readonly<Record<string, PresyncParams>> = {
  main: { commitmentPeriod: 641, redownloadBuffer: 15_218 },
  test4: { commitmentPeriod: 606, redownloadBuffer: 16_092 },
  testnet4: { commitmentPeriod: 606, redownloadBuffer: 16_092 },
  signet: { commitmentPeriod: 620, redownloadBuffer: 15_724 },
  regtest: { commitmentPeriod: 275, redownloadBuffer: 7017 },
};

function presyncParams(network: Network): PresyncParams {
  return PARAMS[network.name] ?? PARAMS["main"]!;
}

/** A block's time may be this far ahead of ours, in seconds. */
const MAX_FUTURE_BLOCK_TIME = 2 * 60 * 60;
/** The fastest a chain can grow: median times rise by one second in six blocks. */
const BLOCKS_PER_SECOND = 6;

export interface PresyncResult {
  /** False: the peer's chain is not what it was, or breaks a rule; the sync is over. */
  readonly success: boolean;
  /** Ask on with {@link HeaderPresync.locator}. */
  readonly requestMore: boolean;
  /** Headers that may be taken into the tree now, 80 bytes each. */
  readonly headers: Uint8Array;
  /** Why the sync ended, for the log. */
  readonly ended?: string;
}

export type PresyncState = "presync" | "redownload" | "final";

export class HeaderPresync {
  /** The header in our tree that the peer's headers connect to. */
  readonly start: HeaderNode;
  readonly #network: Network;
  readonly #params: PresyncParams;
  readonly #minimumWork: bigint;
  readonly #salt: SaltedHash;
  readonly #offset: number;
  readonly #maxCommitments: number;
  #state: PresyncState = "presync";
  #ended = "";
  #commitments: BitQueue = new BitQueue();
  #work: bigint;
  #lastHash: Uint8Array;
  #lastBits: number;
  #lastTime: number;
  #height: number;
  /** Redownloaded headers that are held back, oldest first. */
  #held: Uint8Array[] = [];
  #heldFrom = 0;
  #heldHash: Uint8Array;
  #heldHeight: number;
  #heldBits: number;
  #heldWork: bigint;
  #releaseAll = false;

  /**
   * @param start the header in our tree that the peer's headers connect to.
   * @param minimumWork the work that the chain must have, start included.
   * @param now seconds since 1970.
   */
  constructor(
    start: HeaderNode,
    minimumWork: bigint,
    options: { network: Network; random: Random; now: number; params?: PresyncParams },
  ) {
    this.start = start;
    this.#network = options.network;
    this.#params = options.params ?? presyncParams(options.network);
    this.#minimumWork = minimumWork;
    this.#salt = new SaltedHash(options.random);
    this.#offset = options.random.below(this.#params.commitmentPeriod);
    // No valid chain can be longer than this today.
    const seconds = options.now - start.medianTimePast() + MAX_FUTURE_BLOCK_TIME;
    this.#maxCommitments = Math.floor((BLOCKS_PER_SECOND * seconds) / this.#params.commitmentPeriod);
    this.#work = start.chainWork;
    this.#lastHash = start.hash;
    this.#lastBits = start.bits;
    this.#lastTime = start.time;
    this.#height = start.height;
    this.#heldHash = start.hash;
    this.#heldHeight = start.height;
    this.#heldBits = start.bits;
    this.#heldWork = start.chainWork;
  }

  get state(): PresyncState {
    return this.#state;
  }

  /** Height and time of the last header of the first pass, and the work up to it. */
  get presyncHeight(): number {
    return this.#height;
  }

  get presyncTime(): number {
    return this.#lastTime;
  }

  get presyncWork(): bigint {
    return this.#work;
  }

  /** Commitments and held headers: what takes memory. */
  get memory(): { commitments: number; headers: number } {
    return { commitments: this.#commitments.length, headers: this.#held.length - this.#heldFrom };
  }

  /**
   * Takes the next headers, whose proof of work and continuity the caller has checked.
   * @param full the message held as many as one can, so there may be more.
   */
  process(headers: Uint8Array, full: boolean): PresyncResult {
    let released: Uint8Array = new Uint8Array(0);
    let success: boolean;
    let requestMore = false;
    if (this.#state === "presync") {
      success = this.#commit(headers);
      // After the switch everything is asked for again from the start.
      requestMore = success && (full || this.#stateNow() === "redownload");
      if (success && !requestMore)
        this.#ended = `incomplete headers message at height=${this.#height} (presync phase)`;
    } else {
      success = this.#redownload(headers);
      if (success) {
        released = this.#release();
        const complete = this.#held.length === this.#heldFrom && this.#releaseAll;
        requestMore = !complete && full;
        if (complete) this.#ended = `complete at height=${this.#heldHeight}`;
        else if (!full)
          this.#ended = `incomplete headers message at height=${this.#heldHeight} (redownload phase)`;
      }
    }
    if (!success || !requestMore) this.#finish();
    const result = { success, requestMore, headers: released };
    return this.#state === "final" ? { ...result, ended: this.#ended } : result;
  }

  /** What to ask the peer for next: where we are in its chain, then our own. */
  locator(own: readonly Uint8Array[]): Uint8Array[] {
    return [this.#state === "presync" ? this.#lastHash : this.#heldHash, ...own];
  }

  /** The state after a call that may have changed it. */
  #stateNow(): PresyncState {
    return this.#state;
  }

  #finish(): void {
    this.#commitments = new BitQueue();
    this.#held = [];
    this.#heldFrom = 0;
    this.#state = "final";
  }

  #fail(reason: string): false {
    this.#ended = reason;
    return false;
  }

  #commit(headers: Uint8Array): boolean {
    if (!equalBytes(headers.subarray(4, 36), this.#lastHash)) {
      return this.#fail(`non-continuous headers at height=${this.#height} (presync phase)`);
    }
    for (let at = 0; at < headers.length; at += HEADER_LENGTH) {
      if (!this.#commitOne(headers.subarray(at, at + HEADER_LENGTH))) return false;
    }
    if (this.#work >= this.#minimumWork) this.#state = "redownload";
    return true;
  }

  #commitOne(header: Uint8Array): boolean {
    const height = this.#height + 1;
    const bits = readU32(header, 72);
    if (!permittedDifficultyTransition(this.#network, height, this.#lastBits, bits)) {
      return this.#fail(`invalid difficulty transition at height=${height} (presync phase)`);
    }
    const hash = blockHash(header);
    if (height % this.#params.commitmentPeriod === this.#offset) {
      this.#commitments.push(this.#salt.bit(hash));
      if (this.#commitments.length > this.#maxCommitments) {
        return this.#fail(`exceeded max commitments at height=${height} (presync phase)`);
      }
    }
    this.#work += blockWork(bits);
    this.#lastHash = hash;
    this.#lastBits = bits;
    this.#lastTime = readU32(header, 68);
    this.#height = height;
    return true;
  }

  #redownload(headers: Uint8Array): boolean {
    for (let at = 0; at < headers.length; at += HEADER_LENGTH) {
      if (!this.#redownloadOne(headers.slice(at, at + HEADER_LENGTH))) return false;
    }
    return true;
  }

  #redownloadOne(header: Uint8Array): boolean {
    const height = this.#heldHeight + 1;
    if (!equalBytes(header.subarray(4, 36), this.#heldHash)) {
      return this.#fail(`non-continuous headers at height=${height} (redownload phase)`);
    }
    const bits = readU32(header, 72);
    if (!permittedDifficultyTransition(this.#network, height, this.#heldBits, bits)) {
      return this.#fail(`invalid difficulty transition at height=${height} (redownload phase)`);
    }
    this.#heldWork += blockWork(bits);
    if (this.#heldWork >= this.#minimumWork) this.#releaseAll = true;
    const hash = blockHash(header);
    // Past the target the chain may have grown since the first pass: there is nothing to compare.
    if (!this.#releaseAll && height % this.#params.commitmentPeriod === this.#offset) {
      const expected = this.#commitments.shift();
      if (expected === undefined)
        return this.#fail(`commitment overrun at height=${height} (redownload phase)`);
      if (this.#salt.bit(hash) !== expected) {
        return this.#fail(`commitment mismatch at height=${height} (redownload phase)`);
      }
    }
    this.#held.push(header);
    this.#heldHeight = height;
    this.#heldHash = hash;
    this.#heldBits = bits;
    return true;
  }

  /** Headers that enough commitments stand behind. */
  #release(): Uint8Array {
    const keep = this.#releaseAll ? 0 : this.#params.redownloadBuffer;
    const count = Math.max(0, this.#held.length - this.#heldFrom - keep);
    const released = new Uint8Array(count * HEADER_LENGTH);
    for (let i = 0; i < count; i++) released.set(this.#held[this.#heldFrom + i]!, i * HEADER_LENGTH);
    this.#heldFrom += count;
    if (this.#heldFrom * 2 > this.#held.length) {
      this.#held = this.#held.slice(this.#heldFrom);
      this.#heldFrom = 0;
    }
    return released;
  }
}

/** Bits in the order they came, eight to a byte. */
class BitQueue {
  #bytes = new Uint8Array(64);
  #head = 0;
  #tail = 0;

  get length(): number {
    return this.#tail - this.#head;
  }

  push(bit: number): void {
    if (this.#tail === this.#bytes.length * 8) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    if (bit !== 0) this.#bytes[this.#tail >> 3]! |= 1 << (this.#tail & 7);
    this.#tail++;
  }

  shift(): number | undefined {
    if (this.#head === this.#tail) return undefined;
    const bit = (this.#bytes[this.#head >> 3]! >> (this.#head & 7)) & 1;
    this.#head++;
    return bit;
  }
}
