import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { PeerLink } from "./peer-link.ts";

test("three unanswered pings end a silent connection, not one whose bytes still come", () => {
  const link = new PeerLink("peer", { clock: new ManualClock() });
  const miss = (): boolean => link.missPing(link.bytesReceived);
  assert.deepEqual([miss(), miss(), miss()], [false, false, true]);
  link.noteRoundTrip(5);
  assert.deepEqual([miss(), miss()], [false, false]);
  const before = link.bytesReceived;
  link.countTraffic(0, 1);
  assert.equal(link.missPing(before), false);
  assert.deepEqual([miss(), miss(), miss()], [false, false, true]);
});
