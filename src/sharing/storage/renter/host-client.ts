/**
 * Requests to one host, as the renter makes them: terms first, answers checked against the shard's root, every one
 * noted in the host book. What a host does wrong is a verdict, not an exception.
 */
import type { Clock } from "#base/lib/clock.ts";
import type { Random } from "#base/lib/random.ts";
import type { Deal, Deals, Step } from "#sharing/deals/deal.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { accept, type MethodSpec, type Outcome, refuse } from "#sharing/mesh/protocol.ts";
import { auditEvidence, readEvidence } from "../audit-evidence.ts";
import { CELL_BYTES, cellCountOf } from "../codec/scheme.ts";
import { cellsLength, verifyAudit, verifyCells } from "../codec/shard-proof.ts";
import { type ListedShard, MAX_ROOTS, storageProtocol } from "../messages.ts";
import type { HostBook } from "./host-book.ts";
import type { RenterPolicy } from "./policy.ts";

const { methods } = storageProtocol;

/** A shard by its name and length. */
export interface ShardName {
  readonly root: Uint8Array;
  readonly length: number;
}

/** The answer of an audit: passed; failed for want of an answer; or a wrong answer, which no honest host gives. */
export type AuditVerdict = "passed" | "lost" | "silent" | "cheat";

export interface HostClientDependencies {
  readonly mesh: Mesh;
  readonly deals: Deals;
  readonly book: HostBook;
  readonly clock: Clock;
  readonly random: Random;
  readonly policy: RenterPolicy;
  /** Called for cells that came and that their proof holds for: what this host is owed for, and the hash that says so. */
  readonly served?: (host: PeerId, bytes: number, evidence: Uint8Array) => void;
}

/** Messages of one upload that are under way at a time, and cells in each: every message is copied on its way. */
const PIPELINE = 2;
const UPLOAD_CELLS = 4;
/** Shards that a host may have of ours beside those in the index: still to be dropped, or of a machine not heard of. */
const MOST_STRAY = 10_000;
/** A peer that does not tell its heads within this does not hold up a restore. */
const HEAD_TIMEOUT_MS = 10_000;

export class HostClient {
  readonly #d: HostClientDependencies;
  readonly #deals = new Map<PeerId, Deal>();
  readonly #opening = new Map<PeerId, Promise<Outcome<Deal>>>();
  readonly #stopping = new AbortController();

  constructor(dependencies: HostClientDependencies) {
    this.#d = dependencies;
  }

  /** Gives up every request that is under way, and all that come. */
  stop(): void {
    this.#stopping.abort();
  }

  /**
   * Stores a shard: all cells, then the end that the host answers when they are safe on its disk. An upload that broke
   * off goes on where it stood when it is called again with the same id.
   */
  async store(
    host: PeerId,
    upload: Uint8Array,
    shard: Uint8Array,
    root: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Outcome<null>> {
    const begun = await this.#call(host, methods.begin, { upload, length: shard.length }, 0, signal);
    if (!begun.ok) return begun;
    const missing = missingRuns(begun.value.have, cellCountOf(shard.length));
    const failed = await this.#putAll(host, upload, shard, missing, signal);
    if (failed !== undefined) return failed;
    const end = await this.#call(host, methods.finish, { upload, root }, 0, signal);
    if (!end.ok) return end;
    this.#d.book.noteProof(host, "stored");
    return accept(null);
  }

  /** Sends runs of cells, a few at a time. @returns the first failure. */
  async #putAll(
    host: PeerId,
    upload: Uint8Array,
    shard: Uint8Array,
    runs: readonly { first: number; count: number }[],
    signal?: AbortSignal,
  ): Promise<Outcome<null> | undefined> {
    let next = 0;
    let failed: Outcome<null> | undefined;
    const send = async (): Promise<void> => {
      while (failed === undefined && next < runs.length) {
        const { first, count } = runs[next++]!;
        const from = first * CELL_BYTES;
        const bytes = shard.subarray(from, from + cellsLength(shard.length, first, count));
        const put = await this.#call(host, methods.put, { upload, first, bytes }, bytes.length, signal);
        if (!put.ok) failed = put;
      }
    };
    await Promise.all(Array.from({ length: PIPELINE }, send));
    return failed;
  }

  /** Gives an upload up; nobody waits for the answer. */
  abandon(host: PeerId, upload: Uint8Array): void {
    void this.#d.mesh.call(host, storageProtocol, methods.abandon, { upload });
  }

  /** Cells of a shard, their proof checked. A false proof is misbehaviour. */
  async read(
    host: PeerId,
    shard: ShardName,
    first: number,
    count: number,
    signal?: AbortSignal,
  ): Promise<Outcome<Uint8Array>> {
    const bytes = cellsLength(shard.length, first, count);
    const outcome = await this.#call(host, methods.read, { root: shard.root, first, count }, bytes, signal);
    if (!outcome.ok) return outcome;
    if (!verifyCells(shard, { first, count }, outcome.value.bytes, outcome.value.proof)) {
      this.#cheated(host, "sent cells that are not those of the shard");
      return { ok: false, refusal: { code: "bad-reply", text: "cells that the proof does not hold for" } };
    }
    this.#d.served?.(host, bytes, readEvidence(shard.root, first, count, outcome.value.proof));
    return accept(outcome.value.bytes);
  }

  /** Challenges a host for random leaves of a shard. @returns also what a passed audit's receipt names as its proof. */
  async audit(
    host: PeerId,
    shard: ShardName,
  ): Promise<{ verdict: "passed"; evidence: Uint8Array } | { verdict: Exclude<AuditVerdict, "passed"> }> {
    const challenge = this.#d.random.fill(new Uint8Array(32));
    const leaves = this.#d.policy.auditLeaves;
    const outcome = await this.#call(host, methods.audit, { root: shard.root, challenge, leaves }, 0);
    if (!outcome.ok) {
      const verdict = outcome.refusal.code === "not-found" ? "lost" : "silent";
      return { verdict };
    }
    if (!verifyAudit(shard, challenge, leaves, outcome.value)) {
      this.#cheated(host, "answered an audit wrong");
      return { verdict: "cheat" };
    }
    this.#d.book.noteProof(host, "audited");
    return { verdict: "passed", evidence: auditEvidence(shard.root, challenge, outcome.value) };
  }

  /** Drops shards. True when the host has confirmed it. */
  async drop(host: PeerId, roots: readonly Uint8Array[]): Promise<boolean> {
    for (let at = 0; at < roots.length; at += MAX_ROOTS) {
      const outcome = await this.#call(host, methods.drop, { roots: roots.slice(at, at + MAX_ROOTS) }, 0);
      if (!outcome.ok) return false;
    }
    return true;
  }

  /**
   * The shards that a host declares lost; undefined when it does not answer.
   * @param held how many it has of ours: one that lists many more is believed no further.
   */
  async lost(host: PeerId, held: number): Promise<readonly ListedShard[] | undefined> {
    const all: ListedShard[] = [];
    let after: Uint8Array | undefined;
    for (let listed = 0; ; ) {
      const page = await this.#call(host, methods.list, { after, limit: 500, lostOnly: true }, 0);
      if (!page.ok) return undefined;
      all.push(...page.value.shards.filter(({ state }) => state === "lost"));
      after = page.value.shards.at(-1)?.root;
      listed += page.value.shards.length;
      if (!page.value.more || after === undefined || listed > held + MOST_STRAY) return all;
    }
  }

  /** Asks what trouble a host declares, and notes it. False when it does not answer. */
  async checkTrouble(host: PeerId): Promise<boolean> {
    const outcome = await this.#call(host, methods.quota, {}, 0);
    if (!outcome.ok) return false;
    const { trouble, freeBytes } = outcome.value;
    this.#d.book.noteTrouble(host, trouble ?? (freeBytes < CELL_BYTES ? "full" : undefined));
    return true;
  }

  /** Gives a host a head record. @returns the number of the record that it holds now. */
  async putHead(host: PeerId, record: Uint8Array): Promise<number | undefined> {
    const outcome = await this.#call(host, methods["put-head"], { record }, 0);
    return outcome.ok ? outcome.value.sequence : undefined;
  }

  /** The head records that a peer holds of a key; undefined when it does not answer. No terms are needed. */
  async heads(peer: PeerId, headKey: Uint8Array): Promise<readonly Uint8Array[] | undefined> {
    const options = { timeoutMs: HEAD_TIMEOUT_MS, signal: this.#stopping.signal };
    const outcome = await this.#d.mesh.call(
      peer,
      storageProtocol,
      methods["get-heads"],
      { headKey },
      options,
    );
    return outcome.ok ? outcome.value.records : undefined;
  }

  /** Peers that told this one that they hold heads of a key. */
  async headHolders(peer: PeerId, headKey: Uint8Array): Promise<readonly PeerId[]> {
    const options = { timeoutMs: HEAD_TIMEOUT_MS, signal: this.#stopping.signal };
    const outcome = await this.#d.mesh.call(
      peer,
      storageProtocol,
      methods["find-heads"],
      { headKey },
      options,
    );
    return outcome.ok ? outcome.value.holders.map((holder) => holder.peer) : [];
  }

  /** Has a step receipted. A refusal concerns money alone and is the deals' matter. */
  async settle(host: PeerId, step: Step): Promise<void> {
    const deal = await this.#deal(host);
    if (deal.ok) await this.#d.deals.settle(deal.value, step);
  }

  #cheated(host: PeerId, reason: string): void {
    this.#d.book.noteCheat(host, reason);
    this.#d.mesh.misbehaved(host, reason, 100);
  }

  /** One request: under open terms, timed, and noted. */
  async #call<Q, A>(
    host: PeerId,
    method: MethodSpec<Q, A>,
    request: Q,
    bytes: number,
    signal?: AbortSignal,
  ): Promise<Outcome<A>> {
    const { mesh, clock, book } = this.#d;
    for (let attempt = 0; ; attempt++) {
      const deal = await this.#deal(host);
      if (!deal.ok) return this.#failed(host, deal);
      const began = clock.monotonic();
      const { signal: stopping } = this.#stopping;
      const until = signal === undefined ? stopping : AbortSignal.any([signal, stopping]);
      const outcome = await mesh.call(host, storageProtocol, method, request, { signal: until });
      if (outcome.ok) {
        book.noteSuccess(host, clock.monotonic() - began, bytes);
        return outcome;
      }
      // Terms that ended, or that the host lost: agreed anew, once.
      const { code } = outcome.refusal;
      if (attempt > 0 || (code !== "no-terms" && code !== "expired")) return this.#failed(host, outcome);
      this.#deals.delete(host);
    }
  }

  #failed<A extends { readonly ok: false; readonly refusal: { code: string; text: string } }>(
    host: PeerId,
    outcome: A,
  ): A {
    const { code, text } = outcome.refusal;
    if (code === "aborted" || code === "not-found") return outcome;
    this.#d.book.noteFailure(host);
    if (code === "full" || code === "unavailable") this.#d.book.noteTrouble(host, text);
    return outcome;
  }

  async #deal(host: PeerId): Promise<Outcome<Deal>> {
    const kept = this.#deals.get(host);
    if (kept !== undefined && kept.terms.until > this.#d.clock.now() / 1000 + 60) return accept(kept);
    let opening = this.#opening.get(host);
    if (opening === undefined) {
      // A disk that fails under the deals is met by the write that needs them, not by the process.
      opening = this.#d.deals
        .open(host, "storage", this.#d.policy.maxPrices)
        .catch((error: unknown) => refuse("internal", `no deal could be kept: ${String(error)}`));
      this.#opening.set(host, opening);
      void opening.then((outcome) => {
        this.#opening.delete(host);
        if (outcome.ok) this.#deals.set(host, outcome.value);
      });
    }
    return opening;
  }
}

/** Runs of cells that a host does not have yet, none longer than a message. */
function missingRuns(have: Uint8Array, cells: number): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = [];
  for (let cell = 0; cell < cells; cell++) {
    if (((have[cell >> 3] ?? 0) >> (cell & 7)) & 1) continue;
    const last = runs.at(-1);
    if (last !== undefined && last.first + last.count === cell && last.count < UPLOAD_CELLS) last.count++;
    else runs.push({ first: cell, count: 1 });
  }
  return runs;
}
