import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { TransactionRequests } from "./transaction-requests.ts";

const PEERS = 6;
const HASHES = 8;

function hashOf(n: number): Uint8Array {
  return new Uint8Array(32).fill(n + 1);
}

/** Fixed, so that the model and the tracker agree. */
function priority(hash: Uint8Array, peer: number): number {
  return Math.imul(hash[0]! * 31 + peer + 1, 0x9e37_79b1) >>> 0;
}

interface Row {
  state: "candidate" | "requested" | "completed";
  preferred: boolean;
  isWtxid: boolean;
  time: number;
  sequence: number;
}

/** The specification of txrequest.h, word for word and without any index: what is selected follows from the rows. */
class Model {
  readonly rows = new Map<string, Row>();
  sequence = 0;
  now = 0;

  key(peer: number, n: number): string {
    return `${peer} ${n}`;
  }

  of(n: number): [number, Row][] {
    return [...Array(PEERS).keys()]
      .map((peer): [number, Row | undefined] => [peer, this.rows.get(this.key(peer, n))])
      .filter((entry): entry is [number, Row] => entry[1] !== undefined);
  }

  /** The one to ask now: none while a request is out, else the best whose time has come. */
  selected(n: number): number | undefined {
    const rows = this.of(n);
    if (rows.some(([, row]) => row.state === "requested")) return undefined;
    const ready = rows.filter(([, row]) => row.state === "candidate" && row.time <= this.now);
    ready.sort(
      ([a, left], [b, right]) =>
        Number(right.preferred) - Number(left.preferred) || priority(hashOf(n), b) - priority(hashOf(n), a),
    );
    return ready[0]?.[0];
  }

  cleanUp(n: number): void {
    const rows = this.of(n);
    if (rows.every(([, row]) => row.state === "completed"))
      for (const [peer] of rows) this.rows.delete(this.key(peer, n));
  }

  announced(peer: number, n: number, preferred: boolean, isWtxid: boolean, time: number): void {
    const key = this.key(peer, n);
    if (this.rows.has(key)) return;
    this.rows.set(key, { state: "candidate", preferred, isWtxid, time, sequence: this.sequence++ });
  }

  requestable(peer: number, now: number): { requests: number[]; expired: string[] } {
    this.now = now;
    const expired: string[] = [];
    for (let n = 0; n < HASHES; n++) {
      for (const [other, row] of this.of(n)) {
        if (row.state !== "requested" || row.time > now) continue;
        row.state = "completed";
        expired.push(this.key(other, n));
      }
      this.cleanUp(n);
    }
    const mine = [...Array(HASHES).keys()].filter((n) => this.selected(n) === peer);
    mine.sort(
      (a, b) => this.rows.get(this.key(peer, a))!.sequence - this.rows.get(this.key(peer, b))!.sequence,
    );
    return { requests: mine, expired: expired.sort() };
  }

  requested(peer: number, n: number, expiry: number): void {
    const row = this.rows.get(this.key(peer, n));
    if (row?.state !== "candidate") return;
    for (const [, other] of this.of(n)) if (other.state === "requested") other.state = "completed";
    row.state = "requested";
    row.time = expiry;
  }

  answered(peer: number, n: number): void {
    const row = this.rows.get(this.key(peer, n));
    if (row === undefined) return;
    row.state = "completed";
    this.cleanUp(n);
  }

  forget(n: number): void {
    for (let peer = 0; peer < PEERS; peer++) this.rows.delete(this.key(peer, n));
  }

  disconnected(peer: number): void {
    for (let n = 0; n < HASHES; n++) {
      if (!this.rows.delete(this.key(peer, n))) continue;
      this.cleanUp(n);
    }
  }

  count(peer: number, state?: Row["state"]): number {
    return [...Array(HASHES).keys()].filter((n) => {
      const row = this.rows.get(this.key(peer, n));
      return row !== undefined && (state === undefined || row.state === state);
    }).length;
  }
}

function compare(tracker: TransactionRequests, model: Model): void {
  assert.equal(tracker.size, model.rows.size);
  for (let peer = 0; peer < PEERS; peer++) {
    assert.equal(tracker.count(peer), model.count(peer));
    assert.equal(tracker.countInFlight(peer), model.count(peer, "requested"));
    assert.equal(tracker.countCandidates(peer), model.count(peer, "candidate"));
  }
}

test("from random announcements, answers and clocks the tracker selects what the specification says", () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = new SeededRandom(seed);
    const tracker = new TransactionRequests(priority);
    const model = new Model();
    let now = 1000;
    for (let step = 0; step < 400; step++) {
      const peer = random.below(PEERS);
      const n = random.below(HASHES);
      switch (random.below(10)) {
        case 0:
        case 1:
        case 2: {
          const preferred = random.below(2) === 0;
          const isWtxid = random.below(2) === 0;
          const time = now + random.below(40) - 10;
          tracker.announced(peer, { hash: hashOf(n), isWtxid }, preferred, time);
          model.announced(peer, n, preferred, isWtxid, time);
          break;
        }
        case 3:
          tracker.answered(peer, hashOf(n));
          model.answered(peer, n);
          break;
        case 4:
          if (random.below(4) === 0) {
            tracker.forget(hashOf(n));
            model.forget(n);
          }
          break;
        case 5:
          if (random.below(4) === 0) {
            tracker.disconnected(peer);
            model.disconnected(peer);
          }
          break;
        default: {
          // The clock goes back now and then, as mocked ones do.
          now += random.below(8) === 0 ? -random.below(20) : random.below(15);
          const expired: string[] = [];
          const requests = tracker.requestable(peer, now, (other, { hash }) => {
            expired.push(`${other} ${hash[0]! - 1}`);
          });
          const expected = model.requestable(peer, now);
          assert.deepEqual(
            { requests: requests.map(({ hash }) => hash[0]! - 1), expired: expired.sort() },
            expected,
            `seed ${seed} step ${step}`,
          );
          for (const id of requests) {
            const number = id.hash[0]! - 1;
            assert.equal(id.isWtxid, model.rows.get(model.key(peer, number))!.isWtxid);
            if (random.below(3) === 0) {
              tracker.forget(id.hash);
              model.forget(number);
            } else {
              const expiry = now + 1 + random.below(30);
              tracker.requested(peer, id.hash, expiry);
              model.requested(peer, number, expiry);
            }
          }
        }
      }
      compare(tracker, model);
    }
  }
});

test("timers of what is long forgotten take no memory", () => {
  const tracker = new TransactionRequests(priority);
  const hash = new Uint8Array(32);
  for (let i = 0; i < 200_000; i++) {
    hash[0] = i;
    hash[1] = i >>> 8;
    hash[2] = i >>> 16;
    tracker.announced(1, { hash, isWtxid: true }, true, 1_000_000);
    tracker.answered(1, hash);
  }
  assert.equal(tracker.size, 0);
  assert.ok(tracker.pendingTimers < 2_000, `${tracker.pendingTimers} timers`);
});
