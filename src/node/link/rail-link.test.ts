import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { ManualClock, systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import type { RailName } from "#sharing/deals/deal.ts";
import { FreeRail } from "#sharing/deals/free-rail.ts";
import type { PaymentRail, RailPeer } from "#sharing/deals/payment-rail.ts";
import { paymentRailSuite } from "#sharing/deals/test-support/payment-rail-suite.ts";
import { Link } from "../link.ts";
import { PaymentBudget } from "../payment-budget.ts";
import { LinkedRail, serveRails } from "./rail-link.ts";

const parts = { clock: systemClock, log: silentLogger };
const DAY = 86_400_000;

function peerOf(byte: number): RailPeer {
  return { peer: `12D3KooW${byte}`, account: byte.toString(16).padStart(2, "0").repeat(32) };
}

/** Puts rails of a main process behind a link. */
function across(rails: ReadonlyMap<RailName, PaymentRail>): { link: Link; main: Link } {
  const [a, b] = duplexPair();
  const main = new Link(a, serveRails(rails), parts);
  return { main, link: new Link(b, {}, parts) };
}

async function budgetOf(limits: { peerMsat: number; dayMsat: number }, clock = new ManualClock(100 * DAY)) {
  const world = new FaultWorld();
  const open = (disk: FaultWorld = world) =>
    PaymentBudget.open(limits, "/budget.json", { files: disk.files, clock });
  return { world, clock, open, budget: await open() };
}

const [payer, payee, stranger] = [peerOf(1), peerOf(2), peerOf(3)];

paymentRailSuite("the rail free behind budget and link", async () => {
  const { budget } = await budgetOf({ peerMsat: 0, dayMsat: 0 });
  const free = new FreeRail((peer) => peer !== stranger.peer);
  const { link, main } = across(budget.enforce([free]));
  const rail = new LinkedRail(link, "free");
  return {
    payer: rail,
    payee: rail,
    payerPeer: payer,
    payeePeer: payee,
    stranger,
    limitMsat: 0,
    close: async () => main.close("the test is over"),
  };
});

/** A rail that pays whatever it is told to. */
class WillingRail implements PaymentRail {
  readonly name: RailName = "channel";
  readonly paid = new Map<string, number>();

  async open(_peer: RailPeer, limitMsat: number): ReturnType<PaymentRail["open"]> {
    return { ok: true, value: { limitMsat } };
  }
  async pay({ peer }: RailPeer, totalMsat: number): ReturnType<PaymentRail["pay"]> {
    this.paid.set(peer, Math.max(totalMsat, this.paid.get(peer) ?? 0));
    return { ok: true, value: { paidMsat: this.paid.get(peer)!, proof: Uint8Array.of(1) } };
  }
  async receive(): ReturnType<PaymentRail["receive"]> {
    return { ok: true, value: { receivedMsat: 0 } };
  }
  async close({ peer }: RailPeer): ReturnType<PaymentRail["close"]> {
    return { ok: true, value: { paidMsat: this.paid.get(peer) ?? 0 } };
  }
}

const REFERENCE = "ab".repeat(32);

test("no more is paid than the budget of a peer and of a day leaves, whoever asks", async () => {
  const { budget, clock, open } = await budgetOf({ peerMsat: 1000, dayMsat: 1500 });
  const willing = new WillingRail();
  const { link } = across(budget.enforce([willing]));
  const rail = new LinkedRail(link, "channel");
  const pay = async (peer: RailPeer, total: number) => {
    const outcome = await rail.pay(peer, total, REFERENCE);
    return outcome.ok ? outcome.value.paidMsat : outcome.reason;
  };
  assert.equal(await pay(payee, 400), 400);
  // A running total, not a sum.
  assert.equal(await pay(payee, 1000), 1000);
  assert.equal(await pay(payee, 1001), "over-budget");
  assert.equal(await pay(payee, 700), 1000);
  assert.equal(await pay(payer, 501), "over-budget");
  assert.equal(await pay(payer, 500), 500);
  // Another device of the same account is no other peer.
  assert.equal(await pay({ ...payee, peer: "12D3KooWother" }, 1), "over-budget");
  assert.equal(await pay(stranger, 1), "over-budget");
  clock.advance(DAY);
  assert.equal(await pay(stranger, 1000), 1000);
  assert.equal(await pay(payee, 1001), "over-budget");
  assert.deepEqual([...willing.paid.values()], [1000, 500, 1000]);

  const again = (await open()).enforce([willing]).get("channel")!;
  assert.equal((await again.pay(stranger, 1001, REFERENCE)).ok, false);
  assert.equal((await again.pay(payer, 1000, REFERENCE)).ok, true);
  assert.equal((await again.pay(peerOf(4), 1, REFERENCE)).ok, false);
});

test("what is counted is on disk before the rail pays", async () => {
  const { world, budget, open } = await budgetOf({ peerMsat: 1000, dayMsat: 1000 });
  const willing = new WillingRail();
  const rail = budget.enforce([willing]).get("channel")!;
  await rail.pay(payee, 800, REFERENCE);
  const after = (await open(world.powerCut(new SeededRandom(1)))).enforce([willing]).get("channel")!;
  assert.equal((await after.pay(payer, 201, REFERENCE)).ok, false);
  assert.equal((await after.pay(payer, 200, REFERENCE)).ok, true);
});

test("what could not be counted on disk is not paid, also when it is asked for again", async () => {
  const { world, budget, open } = await budgetOf({ peerMsat: 1000, dayMsat: 1000 });
  const { files } = world;
  const rename = files.rename.bind(files);
  files.rename = async () => {
    throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
  };
  const willing = new WillingRail();
  const rail = budget.enforce([willing]).get("channel")!;
  for (let i = 0; i < 3; i++) await assert.rejects(rail.pay(payee, 800, REFERENCE), /no space left/);
  assert.equal(willing.paid.size, 0);
  files.rename = rename;
  // Nothing of it was counted, and what is paid now is.
  assert.equal((await rail.pay(payer, 300, REFERENCE)).ok, true);
  assert.equal((await rail.pay(payee, 700, REFERENCE)).ok, true);
  const after = (await open()).enforce([willing]).get("channel")!;
  assert.equal((await after.pay(stranger, 1, REFERENCE)).ok, false);
});

test("the record of as many payees as there may be, by the longest names, is read again", async () => {
  const { world, open } = await budgetOf({ peerMsat: 10, dayMsat: 1000 });
  const account = "ab".repeat(32);
  const peers = Array.from({ length: 50_000 }, (_, i) => [
    `lightning/${account}/${String(i).padStart(128, "q")}`,
    Number.MAX_SAFE_INTEGER,
  ]);
  const file = await world.files.open("/budget.json", "create");
  await file.write(new TextEncoder().encode(JSON.stringify({ day: 1, dayMsat: 0, peers })), 0);
  await file.close();
  assert.equal(typeof (await (await open()).reserve("channel", { account, peer: "a" }, 1)), "string");
});

test("a damaged record gives no new budget", async () => {
  const { world, open } = await budgetOf({ peerMsat: 1000, dayMsat: 1000 });
  const file = await world.files.open("/budget.json", "create");
  await file.write(new TextEncoder().encode('{"day":1,"dayMsat":-5,"peers":[]}'), 0);
  await file.close();
  await assert.rejects(open(), /budget\.json is damaged/);
});

test("a rail that is not on the list is refused, and so is what is no request", async () => {
  const { budget } = await budgetOf({ peerMsat: 1000, dayMsat: 1000 });
  const { link } = across(budget.enforce([new FreeRail(() => true)]));
  const channel = await new LinkedRail(link, "channel").pay(payee, 1, REFERENCE);
  assert.equal(!channel.ok && channel.reason, "not-allowed");
  const free = await new LinkedRail(link, "free").pay(payee, 1, REFERENCE);
  assert.equal(!free.ok && free.reason, "over-budget");
  for (const [total, reference] of [
    [-1, REFERENCE],
    [0.5, REFERENCE],
    [Number.MAX_SAFE_INTEGER + 2, REFERENCE],
    [0, "short"],
  ] as const) {
    const outcome = await new LinkedRail(link, "free").pay(payee, total, reference);
    assert.equal(!outcome.ok && outcome.reason, "unavailable", String(total));
  }
});
