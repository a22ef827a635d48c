/**
 * What the sharing process may spend: kept on this side of the link, where the keys are, and enforced whatever it
 * asks. Only rails on the list; on `free` no amount at all; on the others so much a peer and so much a day, counted on
 * disk before the rail is told to pay, so that neither a crash nor a restart gives the same money twice.
 */
import { z } from "zod";
import type { Clock } from "#base/lib/clock.ts";
import { DecodeError, decodedOrUndefined } from "#base/lib/decode-error.ts";
import { Mutex } from "#base/lib/mutex.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import type { RailName } from "#sharing/deals/deal.ts";
import type { PaymentRail, RailOutcome, RailPeer } from "#sharing/deals/payment-rail.ts";

/** Millisatoshi. */
export interface BudgetLimits {
  /** To one peer, over all time. */
  readonly peerMsat: number;
  /** To all together, in a day of UTC. */
  readonly dayMsat: number;
}

/** What was spent. */
interface Ledger {
  day: number;
  dayMsat: number;
  /** Totals by `rail/account/peer`: a rail counts for each device. */
  readonly peers: Map<string, number>;
  /** Sums by account, over rails and devices: a new device key gives no new budget. */
  readonly accounts: Map<string, number>;
}

/** Room for as many payees as are remembered, by the longest names that the link takes. */
const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** Payees that are remembered; who would be one more is refused. */
const MAX_PEERS = 50_000;
const DAY = 86_400_000;

const amount = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const stored = z.strictObject({
  day: amount,
  dayMsat: amount,
  peers: z.array(z.tuple([z.string(), amount])).max(MAX_PEERS),
});

export class PaymentBudget {
  readonly #limits: BudgetLimits;
  readonly #path: string;
  readonly #files: FileSystem;
  readonly #clock: Clock;
  readonly #spent: Ledger;
  readonly #mutex = new Mutex();

  private constructor(limits: BudgetLimits, path: string, spent: Ledger, parts: BudgetDependencies) {
    this.#limits = limits;
    this.#path = path;
    this.#spent = spent;
    this.#files = parts.files;
    this.#clock = parts.clock;
  }

  /** Reads what was spent so far from the file at `path`. @throws when the file is damaged */
  static async open(limits: BudgetLimits, path: string, parts: BudgetDependencies): Promise<PaymentBudget> {
    const bytes = await readIfThere(parts.files, path, MAX_FILE_BYTES);
    return new PaymentBudget(limits, path, readLedger(bytes, path), parts);
  }

  /** The rails that may be asked for, each held to the budget. */
  enforce(rails: readonly PaymentRail[]): ReadonlyMap<RailName, PaymentRail> {
    return new Map(rails.map((rail) => [rail.name, new BudgetedRail(rail, this)]));
  }

  /**
   * Counts a payment up to `totalMsat` before it is made.
   * @returns what speaks against it
   * @throws when the disk fails; nothing is counted then, and nothing may be paid
   */
  reserve(rail: RailName, { account, peer }: RailPeer, totalMsat: number): Promise<string | undefined> {
    return this.#mutex.run(async () => {
      const key = `${rail}/${account}/${peer}`;
      const before = this.#spent.peers.get(key) ?? 0;
      const more = totalMsat - before;
      if (more <= 0) return undefined;
      this.#turnDay();
      const toAccount = (this.#spent.accounts.get(account) ?? 0) + more;
      if (toAccount > this.#limits.peerMsat) {
        return `${toAccount} msat to one peer, of ${this.#limits.peerMsat} allowed`;
      }
      if (this.#spent.dayMsat + more > this.#limits.dayMsat) {
        return `${this.#spent.dayMsat + more} msat in a day, of ${this.#limits.dayMsat} allowed`;
      }
      if (before === 0 && this.#spent.peers.size >= MAX_PEERS) return "too many payees";
      const count = (msat: number, total: number) => {
        this.#spent.dayMsat += msat;
        this.#spent.accounts.set(account, (this.#spent.accounts.get(account) ?? 0) + msat);
        this.#spent.peers.set(key, total);
      };
      count(more, totalMsat);
      try {
        await writeAtomically(this.#files, this.#path, this.#encode());
      } catch (error) {
        // What is asked for again must be written again: else it would be paid, and free once more after a restart.
        count(-more, before);
        if (before === 0) this.#spent.peers.delete(key);
        throw error;
      }
      return undefined;
    });
  }

  #turnDay(): void {
    const day = Math.floor(this.#clock.now() / DAY);
    // A clock set back gives no second budget for a day that was already counted.
    if (day <= this.#spent.day) return;
    this.#spent.day = day;
    this.#spent.dayMsat = 0;
  }

  #encode(): Uint8Array {
    const { day, dayMsat, peers } = this.#spent;
    return new TextEncoder().encode(`${JSON.stringify({ day, dayMsat, peers: [...peers] })}\n`);
  }
}

export interface BudgetDependencies {
  readonly files: FileSystem;
  readonly clock: Clock;
}

function readLedger(bytes: Uint8Array | undefined, path: string): Ledger {
  if (bytes === undefined) return { day: 0, dayMsat: 0, peers: new Map(), accounts: new Map() };
  const ledger = decodedOrUndefined(() => {
    try {
      return stored.parse(JSON.parse(new TextDecoder().decode(bytes)));
    } catch (error) {
      throw new DecodeError((error as Error).message);
    }
  });
  // To begin anew would give the money of today a second time.
  if (ledger === undefined) throw new Error(`${path} is damaged; it says what was spent on sharing`);
  const accounts = new Map<string, number>();
  for (const [key, total] of ledger.peers) {
    const account = key.split("/")[1] ?? "";
    accounts.set(account, (accounts.get(account) ?? 0) + total);
  }
  return { day: ledger.day, dayMsat: ledger.dayMsat, peers: new Map(ledger.peers), accounts };
}

/** A rail that pays no more than the budget leaves. */
class BudgetedRail implements PaymentRail {
  readonly name: RailName;
  readonly #rail: PaymentRail;
  readonly #budget: PaymentBudget;

  constructor(rail: PaymentRail, budget: PaymentBudget) {
    this.name = rail.name;
    this.#rail = rail;
    this.#budget = budget;
  }

  async open(peer: RailPeer, limitMsat: number): ReturnType<PaymentRail["open"]> {
    if (this.name === "free" && limitMsat > 0) return overBudget("the rail free moves no money");
    return this.#rail.open(peer, limitMsat);
  }

  async pay(peer: RailPeer, totalMsat: number, reference: string): ReturnType<PaymentRail["pay"]> {
    if (this.name === "free" && totalMsat > 0) return overBudget("the rail free moves no money");
    const objection = await this.#budget.reserve(this.name, peer, totalMsat);
    return objection === undefined ? this.#rail.pay(peer, totalMsat, reference) : overBudget(objection);
  }

  receive(peer: RailPeer, proof: Uint8Array): ReturnType<PaymentRail["receive"]> {
    return this.#rail.receive(peer, proof);
  }

  close(peer: RailPeer): ReturnType<PaymentRail["close"]> {
    return this.#rail.close(peer);
  }
}

function overBudget(text: string): RailOutcome<never> {
  return { ok: false, reason: "over-budget", text };
}
