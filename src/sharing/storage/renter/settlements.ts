/**
 * Receipts for what hosts did: storing, proving, giving back. They are asked for behind the work, host by host, so
 * that no write or read waits for them; what is small is summed first.
 */
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, toHex } from "#base/lib/bytes.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { Step } from "#sharing/deals/deal.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import type { HostClient } from "./host-client.ts";

const GIB = 2 ** 30;
/** Bytes read from a host that are receipted together. */
const EGRESS_STEP = 64 << 20;
/** Steps of one host that may wait; what comes beyond is not receipted. */
const MOST_WAITING = 1000;

interface Account {
  readonly waiting: Step[];
  running: boolean;
  egress: number;
  egressSteps: number;
  /** Hash over the evidence of what was read since the last step. */
  evidence: Uint8Array;
}

export class Settlements {
  readonly #client: HostClient;
  readonly #log: Logger;
  /** Tells the steps of this run from those of another: a step that has a receipt already gets no second one. */
  readonly #session: Uint8Array;
  readonly #accounts = new Map<PeerId, Account>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(client: HostClient, { log, random }: { readonly log: Logger; readonly random: Random }) {
    this.#client = client;
    this.#log = log;
    this.#session = random.fill(new Uint8Array(16));
  }

  /** A shard was stored and its root acknowledged. */
  stored(host: PeerId, root: Uint8Array, bytes: number): void {
    this.#add(host, {
      what: "shard stored",
      subject: toHex(root),
      unit: "gib-epoch",
      milliUnits: milliGib(bytes),
      proof: toHex(root),
    });
  }

  /** A host proved in an audit that it keeps `bytes`. @param evidence of `auditEvidence`, which the host has too. */
  audited(host: PeerId, root: Uint8Array, bytes: number, evidence: Uint8Array): void {
    this.#add(host, {
      what: "epoch audited",
      subject: toHex(root),
      unit: "gib-epoch",
      milliUnits: milliGib(bytes),
      proof: toHex(evidence),
    });
  }

  /** Bytes were read from a host and their proof held. @param evidence of `readEvidence`: a receipt names all of them. */
  read(host: PeerId, bytes: number, evidence: Uint8Array = new Uint8Array(0)): void {
    const account = this.#account(host);
    account.egress += bytes;
    account.evidence = sha256(concatBytes(account.evidence, evidence));
    if (account.egress < EGRESS_STEP) return;
    const counter = new TextEncoder().encode(`${host} ${account.egressSteps++}`);
    this.#add(host, {
      what: "range read",
      subject: toHex(sha256(concatBytes(this.#session, counter))),
      unit: "gib-egress",
      milliUnits: milliGib(account.egress),
      proof: toHex(account.evidence),
    });
    account.egress = 0;
    account.evidence = new Uint8Array(32);
  }

  /** Waits for what is under way; what waits is left. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  #add(host: PeerId, step: Step): void {
    const account = this.#account(host);
    if (this.#stopped || account.waiting.length >= MOST_WAITING) return;
    account.waiting.push(step);
    if (account.running) return;
    account.running = true;
    const run = this.#run(host, account).finally(() => {
      account.running = false;
      this.#running.delete(run);
    });
    this.#running.add(run);
  }

  async #run(host: PeerId, account: Account): Promise<void> {
    try {
      for (
        let step = account.waiting.shift();
        step !== undefined && !this.#stopped;
        step = account.waiting.shift()
      ) {
        await this.#client.settle(host, step);
      }
    } catch (error) {
      this.#log.error(`receipts of ${host}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #account(host: PeerId): Account {
    let account = this.#accounts.get(host);
    if (account === undefined) {
      account = { waiting: [], running: false, egress: 0, egressSteps: 0, evidence: new Uint8Array(32) };
      this.#accounts.set(host, account);
    }
    return account;
  }
}

/** Thousandths of a GiB, at least one. */
function milliGib(bytes: number): number {
  return Math.max(1, Math.round((1000 * bytes) / GIB));
}
