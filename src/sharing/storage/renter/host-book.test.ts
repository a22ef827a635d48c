import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import type { Mesh, PeerView } from "#sharing/mesh/mesh.ts";
import { HostBook } from "./host-book.ts";
import { DEFAULT_POLICY } from "./policy.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const HOST = "12D3KooWhost";

/** A clock whose time of day jumps, as that of a machine that slept or whose clock was set. */
class JumpingClock extends ManualClock {
  jump = 0;

  override now(): number {
    return super.now() + this.jump;
  }
}

/** The book of a machine that begins now, and saw a host last so long ago. */
function bookOf(lastSeenAgo: number) {
  const clock = new JumpingClock(1_700_000_000_000);
  const mesh = { view: () => undefined, peers: () => [] } as unknown as Mesh;
  const book = new HostBook({ mesh, clock, policy: DEFAULT_POLICY });
  const lastSeen = clock.now() - lastSeenAgo;
  book.load(encodeCbor({ peer: HOST, firstSeen: 0, lastSeen, proven: 3, lastProven: lastSeen, failures: 0 }));
  return { book, clock };
}

test("who was not seen while this machine was off is given the time to come before it counts as gone", () => {
  for (const [ago, later] of [
    [2 * DAY, "dead"],
    [2 * HOUR, "missing"],
  ] as const) {
    const { book, clock } = bookOf(ago);
    assert.equal(book.state(HOST), "away");
    assert.equal(book.living, 1);
    const changes = book.changesAt(HOST)!;
    assert.equal(changes - clock.now(), HOUR / 4);
    clock.advance(changes - clock.now() - 1);
    assert.equal(book.state(HOST), "away");
    clock.advance(1);
    assert.equal(book.state(HOST), later);
  }
});

test("the time that a machine sleeps is nobody's absence", () => {
  const { book, clock } = bookOf(0);
  clock.advance(HOUR / 2);
  assert.equal(book.state(HOST), "away");
  clock.jump += 2 * DAY;
  assert.equal(book.state(HOST), "away");
  assert.equal(book.changesAt(HOST)! - clock.now(), HOUR / 4);
  clock.advance(HOUR / 4);
  assert.equal(book.state(HOST), "dead");
});

test("a clock that is set back keeps nobody from being missed", () => {
  const { book, clock } = bookOf(0);
  clock.advance(HOUR / 2);
  book.noteFailure(HOST);
  clock.jump -= 365 * DAY;
  assert.equal(book.state(HOST), "away");
  clock.advance(HOUR);
  assert.equal(book.state(HOST), "missing");
  assert.equal(book.isResting(HOST), false);
  clock.advance(DAY);
  assert.equal(book.state(HOST), "dead");
});

test("those who only come and go are remembered up to a bound, and who takes something always", () => {
  const { book } = bookOf(0);
  const viewOf = (peer: string): PeerView =>
    ({ peer, connected: true, offers: { storage: new Uint8Array(0) } }) as unknown as PeerView;
  for (let i = 0; i < 10_000; i++) book.observeOne(viewOf(`12D3KooW${i}`));
  assert.ok(book.known().length <= 2_000, `${book.known().length} records`);
  assert.ok(book.takeChanges().length <= 2_000);
  book.noteProof("12D3KooWlate", "stored");
  assert.equal(book.isProven("12D3KooWlate"), true);
  assert.equal(book.takeChanges().length, 1);
});
