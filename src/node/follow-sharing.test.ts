import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import type { SharingControl, SharingEvent } from "#doors/api/sharing-control.ts";
import type { PeerView } from "#sharing/mesh/mesh.ts";
import { SharingFollower } from "./follow-sharing.ts";
import { EventFan } from "./sharing-control/event-fan.ts";

const traffic: SharingEvent = { type: "traffic", edges: [] };
const view = { peer: "bob", standing: "friend" } as PeerView;

/** A sharing process whose answers fail when they are told to. */
function world() {
  const clock = new ManualClock();
  const fan = new EventFan();
  const faults = { events: 0, status: 0 };
  let followers = 0;
  const control = {
    async *events(signal: AbortSignal) {
      if (faults.events-- > 0) throw new Error("an event\nof no known form");
      followers++;
      try {
        yield* fan.follow(signal);
      } finally {
        followers--;
      }
    },
    async status() {
      if (faults.status-- > 0) throw new Error("nonsense");
      return { peer: "alice", s3: "http://127.0.0.1:9000" };
    },
    peers: async () => [view],
  } as unknown as SharingControl;
  const told: unknown[] = [];
  const seen: string[] = [];
  const lines: string[] = [];
  const note = (line: string) => void lines.push(line);
  const friends = { self: undefined, seen: ({ peer }: PeerView) => void seen.push(peer) };
  const follower = new SharingFollower({
    clock,
    log: { info: note, warn: note, error: note, debug() {} },
    events: { emit: (event) => void told.push(event) },
    friends,
    reachable: () => true,
  });
  return { clock, fan, faults, control, told, seen, lines, friends, follower, followers: () => followers };
}

/** What is awaited comes without the clock. */
async function soon(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("events of a running process are passed on, and who is there already is met", async () => {
  const { fan, control, told, seen, friends, follower } = world();
  follower.follow(control);
  await soon();
  assert.equal(follower.s3Origin, "http://127.0.0.1:9000");
  assert.deepEqual(seen, ["bob"]);
  assert.deepEqual(friends.self, { peer: "alice", reachable: true });
  fan.emit(traffic);
  fan.emit({ type: "peer", change: "connected", view } as SharingEvent);
  await soon();
  assert.equal(told.length, 2);
  assert.deepEqual(seen, ["bob", "bob"]);
  follower.stop();
  assert.equal(follower.s3Origin, undefined);
  fan.emit(traffic);
  await soon();
  assert.equal(told.length, 2);
});

for (const what of ["events", "status"] as const) {
  test(`when the ${what} fail, they are followed again, and nothing is told twice`, async () => {
    const { clock, fan, faults, control, told, lines, follower, followers } = world();
    faults[what] = 3;
    follower.follow(control);
    for (let i = 0; i < 3; i++) {
      await soon();
      assert.equal(lines.length, i + 1);
      assert.equal(followers(), 0, "what was followed is let go");
      clock.advance(5000);
    }
    await soon();
    assert.equal(followers(), 1);
    assert.ok(lines.every((line) => !line.includes("\n")));
    fan.emit(traffic);
    await soon();
    assert.equal(told.length, 1);
    assert.equal(follower.s3Origin, "http://127.0.0.1:9000");
    follower.stop();
  });
}

test("a process that is gone is not followed again", async () => {
  const { clock, faults, control, follower, followers } = world();
  faults.events = 1;
  follower.follow(control);
  await soon();
  follower.stop();
  clock.advance(60_000);
  await soon();
  assert.equal(followers(), 0);
});
