import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ManualClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { type MemoryMesh, MemoryNetwork } from "#sharing/mesh/memory-mesh.ts";
import type { Outcome } from "#sharing/mesh/protocol.ts";
import type { Deal, KeptReceipt, RailName, Receipt, Step } from "./deal.ts";
import { DealBook } from "./deal-book.ts";
import { dealIdOf, receiptMessage, termsMessage } from "./deal-codec.ts";
import { CLOCK_SKEW, DEAL_PROTOCOL, MAX_ACKNOWLEDGED, MAX_SKIPPED } from "./deal-messages.ts";
import { SELLER_LIMITS, type SellerLimits } from "./deal-seller.ts";
import { FreeRail } from "./free-rail.ts";
import type { PaymentRail, RailOutcome, RailPeer } from "./payment-rail.ts";

const START = 1_700_000_000_000;

const task = (n: number): Step => ({
  what: "task verified",
  subject: n.toString(16).padStart(64, "0"),
  unit: "task",
  milliUnits: 1000,
  proof: "ab".repeat(32),
});

function value<T>(outcome: Outcome<T>): T {
  assert.ok(outcome.ok, JSON.stringify(outcome));
  return outcome.value;
}

function refusal<T>(outcome: Outcome<T>): string {
  assert.ok(!outcome.ok, "it was not refused");
  return outcome.refusal.code;
}

interface Party {
  mesh: MemoryMesh;
  world: FaultWorld;
  book: DealBook;
  /** The machine starts again. */
  reopen: () => Promise<void>;
}

class World {
  readonly clock = new ManualClock(START);
  readonly network = new MemoryNetwork({ clock: this.clock });
  readonly parties: Party[] = [];

  async party(
    options: {
      circle?: string | undefined;
      rails?: (mesh: MemoryMesh) => PaymentRail[];
      limits?: Partial<SellerLimits>;
    } = {},
  ): Promise<Party> {
    const secret = new Uint8Array(32).fill(this.parties.length + 1);
    const identity = { deviceSecret: secret, accountSecret: secret };
    const join = () =>
      this.network.join({ ...identity, ...("circle" in options ? { circle: options.circle } : {}) });
    const world = new FaultWorld();
    const { clock, network } = this;
    const start = async (mesh: MemoryMesh) =>
      await DealBook.open({
        mesh,
        disk: party.world,
        folder: "/deals",
        clock,
        random: new SeededRandom(9),
        log: silentLogger,
        ...(options.limits === undefined ? {} : { limits: options.limits }),
        rails: options.rails?.(mesh) ?? [new FreeRail((peer) => mesh.view(peer)?.standing === "friend")],
      });
    const party = { mesh: join(), world } as Party;
    party.reopen = async () => {
      network.kill(party.mesh.self);
      party.mesh = join();
      party.book = await start(party.mesh);
    };
    party.book = await start(party.mesh);
    this.parties.push(party);
    return party;
  }

  async close(): Promise<void> {
    for (const { book } of this.parties) await book.stop();
  }
}

async function world(t: TestContext): Promise<World> {
  const made = new World();
  t.after(() => made.close());
  return made;
}

/** Waits until a condition holds; what is awaited comes without the clock. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail("it never came to pass");
}

test("friends agree on terms once, and both list the same receipts with both signatures", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: { task: 5000 } });
  const [deal, again] = await Promise.all([
    alice.book.open(bob.mesh.self, "compute"),
    alice.book.open(bob.mesh.self, "compute"),
  ]);
  assert.equal(value(deal).id, value(again).id);
  assert.equal(value(await alice.book.open(bob.mesh.self, "compute")).id, value(deal).id);
  assert.deepEqual(value(deal).terms.prices, {}, "friends pay nothing");
  assert.equal(value(bob.book.require(alice.mesh.self, "compute")).id, value(deal).id);

  for (let i = 0; i < 3; i++) value(await alice.book.settle(value(deal), task(i)));
  await until(async () =>
    (await bob.book.receipts()).every(({ buyerSignature }) => buyerSignature !== undefined),
  );
  const [mine, theirs] = [await alice.book.receipts(), await bob.book.receipts()];
  assert.deepEqual(
    mine.map(({ sequence }) => sequence),
    [2, 1, 0],
  );
  for (const [i, receipt] of mine.entries()) {
    const other = theirs[i]!;
    assert.deepEqual(receiptMessage(receipt), receiptMessage(other));
    assert.deepEqual(receipt.buyerSignature, other.buyerSignature);
    assert.deepEqual(receipt.sellerSignature, other.sellerSignature);
    assert.equal(receipt.role, "buyer");
    assert.equal(other.role, "seller");
  }
  assert.deepEqual(await alice.book.totals(), [{ service: "compute", role: "buyer", receipts: 3, msat: 0 }]);
});

test("the same step settled twice has one receipt, also when the first reply was lost", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const deal = value(await alice.book.open(bob.mesh.self, "compute"));
  // The seller has made the receipt of this step, and the buyer never heard of it.
  value(
    await alice.mesh.call(bob.mesh.self, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.settle, {
      deal: deal.id,
      step: task(1),
    }),
  );
  const second = value(await alice.book.settle(deal, task(2)));
  const first = value(await alice.book.settle(deal, task(1)));
  const repeated = value(await alice.book.settle(deal, task(1)));
  assert.deepEqual([first.sequence, second.sequence, repeated.sequence], [0, 1, 0]);
  assert.equal((await bob.book.receipts()).length, 2);
});

test("who has no open terms is refused", async (t) => {
  const all = await world(t);
  const [alice, bob, eve] = [await all.party(), await all.party(), await all.party({ circle: undefined })];
  assert.equal(refusal(bob.book.require(alice.mesh.self, "storage")), "no-terms");
  assert.equal(refusal(await alice.book.open(bob.mesh.self, "storage")), "unavailable");
  bob.book.sell("storage", { service: "storage", prices: { "gib-epoch": 10 } });
  assert.equal(refusal(await eve.book.open(bob.mesh.self, "storage")), "not-allowed");
  const deal = value(await alice.book.open(bob.mesh.self, "storage"));
  assert.equal(refusal(bob.book.require(alice.mesh.self, "compute")), "no-terms", "another service");
  assert.equal(refusal(bob.book.require(eve.mesh.self, "storage")), "no-terms", "another buyer");
  await alice.book.close(deal);
  assert.equal(refusal(bob.book.require(alice.mesh.self, "storage")), "no-terms", "closed");
  const next = value(await alice.book.open(bob.mesh.self, "storage"));
  assert.notEqual(next.id, deal.id);
  all.clock.advance(8 * 86_400_000);
  assert.equal(refusal(bob.book.require(alice.mesh.self, "storage")), "no-terms", "run out");
});

test("a buyer renews its terms before they end", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("storage", { service: "storage", prices: {} });
  const deal = value(await alice.book.open(bob.mesh.self, "storage"));
  all.clock.advance(6.5 * 86_400_000);
  const next = value(await alice.book.open(bob.mesh.self, "storage"));
  assert.notEqual(next.id, deal.id);
  assert.equal(value(bob.book.require(alice.mesh.self, "storage")).id, next.id);
});

test("terms that were not quoted, are not between the two, or are not signed are refused", async (t) => {
  const all = await world(t);
  const [alice, bob, carol] = [await all.party(), await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {}, epochSeconds: 60 });
  const { terms } = value(await alice.book.open(bob.mesh.self, "compute"));
  const nonce = new Uint8Array(16).fill(1);
  const propose = async (changed: Partial<Deal["terms"]>, sender = alice) => {
    const proposed = { ...terms, nonce, ...changed };
    const signature = await sender.mesh.sign(termsMessage(proposed));
    const { methods } = DEAL_PROTOCOL;
    return await sender.mesh.call(bob.mesh.self, DEAL_PROTOCOL, methods.propose, {
      terms: proposed,
      signature,
    });
  };
  assert.equal((await propose({})).ok, true);
  assert.equal(refusal(await propose({}, carol)), "not-allowed");
  assert.equal(refusal(await propose({ seller: carol.mesh.self })), "not-allowed");
  assert.equal(refusal(await propose({ credit: 1 })), "conflict");
  assert.equal(refusal(await propose({ prices: { task: 1 } })), "conflict");
  assert.equal(refusal(await propose({ epochSeconds: 61 })), "conflict");
  assert.equal(refusal(await propose({ rail: "channel" })), "conflict");
  assert.equal(refusal(await propose({ from: terms.from - 3600 })), "expired");
  assert.equal(refusal(await propose({ until: terms.from + 31 * 86_400 })), "bad-request");
  const unsigned = { terms: { ...terms, nonce: new Uint8Array(16).fill(2) }, signature: new Uint8Array(64) };
  assert.equal(
    refusal(await alice.mesh.call(bob.mesh.self, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.propose, unsigned)),
    "not-allowed",
  );
});

test("what was said before is answered again without a write", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const deal = value(await alice.book.open(bob.mesh.self, "compute"));
  const { sequence, buyerSignature } = value(await alice.book.settle(deal, task(1)));
  await until(async () => (await bob.book.receipts())[0]?.buyerSignature !== undefined);
  let told = 0;
  bob.book.receipted.on(() => {
    told++;
  });
  const { methods } = DEAL_PROTOCOL;
  const acknowledge = async () => {
    const signatures = [{ sequence, signature: buyerSignature! }];
    const request = { deal: deal.id, signatures };
    return value(await alice.mesh.call(bob.mesh.self, DEAL_PROTOCOL, methods.acknowledge, request));
  };
  let before = bob.world.operations;
  assert.deepEqual(await acknowledge(), { received: 1 });
  assert.deepEqual([bob.world.operations - before, told], [0, 0], "signatures");

  await alice.book.close(deal);
  before = bob.world.operations;
  const close = () =>
    alice.mesh.call(bob.mesh.self, DEAL_PROTOCOL, methods.close, { deal: deal.id }).then(value);
  assert.deepEqual([await close(), await close()], [{}, {}]);
  assert.equal(bob.world.operations, before, "closing");
  const own = alice.world.operations;
  await Promise.all([alice.book.close(deal), alice.book.close(deal)]);
  assert.equal(alice.world.operations, own, "our own end");
});

test("a deal that is closed twice at once is written once", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const operations = async (times: number) => {
    const deal = value(await alice.book.open(bob.mesh.self, "compute"));
    const before = alice.world.operations + bob.world.operations;
    await Promise.all(Array.from({ length: times }, () => alice.book.close(deal)));
    return alice.world.operations + bob.world.operations - before;
  };
  const once = await operations(1);
  assert.ok(once > 0);
  assert.equal(await operations(3), once);
});

test("who proposes many deals at once gets no more than one after the other", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const { terms } = value(await alice.book.open(bob.mesh.self, "compute"));
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const proposed = { ...terms, nonce: new Uint8Array(16).fill(i + 1) };
      const request = { terms: proposed, signature: await alice.mesh.sign(termsMessage(proposed)) };
      return await alice.mesh.call(bob.mesh.self, DEAL_PROTOCOL, DEAL_PROTOCOL.methods.propose, request);
    }),
  );
  assert.equal(answers.filter(({ ok }) => ok).length, 7, "eight with the first");
  assert.equal(bob.book.list().length, 8);
});

test("deals of one buyer are limited", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const { terms } = value(await alice.book.open(bob.mesh.self, "compute"));
  let code = "";
  for (let i = 0; i < 20 && code === ""; i++) {
    const proposed = { ...terms, nonce: new Uint8Array(16).fill(i + 1) };
    const signature = await alice.mesh.sign(termsMessage(proposed));
    const { methods } = DEAL_PROTOCOL;
    const answer = await alice.mesh.call(bob.mesh.self, DEAL_PROTOCOL, methods.propose, {
      terms: proposed,
      signature,
    });
    if (!answer.ok) code = answer.refusal.code;
  }
  assert.equal(code, "limit");
});

test("64 deals of one buyer may begin within an hour, closed ones among them", async (t) => {
  const all = await world(t);
  const [alice, bob, carol] = [await all.party(), await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const openAndClose = async () => {
    const deal = await alice.book.open(bob.mesh.self, "compute");
    if (deal.ok) await alice.book.close(deal.value);
    return deal;
  };
  for (let i = 0; i < 64; i++) value(await openAndClose());
  const refused = await openAndClose();
  assert.deepEqual(!refused.ok && refused.refusal, {
    code: "limit",
    text: "64 deals of yours began within the hour",
  });
  assert.equal((await carol.book.open(bob.mesh.self, "compute")).ok, true, "another buyer");
  await bob.book.stop();
  await bob.reopen();
  bob.book.sell("compute", { service: "compute", prices: {} });
  assert.equal(refusal(await openAndClose()), "limit", "after a start");
  all.clock.advance(3_600_000);
  value(await openAndClose());
});

test("receipts of one buyer within an hour are limited, over its deals", async (t) => {
  const all = await world(t);
  const [alice, carol] = [await all.party(), await all.party()];
  const bob = await all.party({ limits: { receiptsAnHour: 3 } });
  for (const service of ["compute", "storage"] as const) bob.book.sell(service, { service, prices: {} });
  const compute = value(await alice.book.open(bob.mesh.self, "compute"));
  const storage = value(await alice.book.open(bob.mesh.self, "storage"));
  for (let i = 0; i < 2; i++) value(await alice.book.settle(compute, task(i)));
  value(await alice.book.settle(storage, task(2)));
  for (const deal of [compute, storage])
    assert.equal(refusal(await alice.book.settle(deal, task(3))), "limit");
  assert.equal((await bob.book.receipts()).length, 3);
  const { methods } = DEAL_PROTOCOL;
  const again = await alice.mesh.call(bob.mesh.self, DEAL_PROTOCOL, methods.settle, {
    deal: compute.id,
    step: task(0),
  });
  assert.equal(value(again).receipt.sequence, 0, "what was receipted is told again");
  value(await carol.book.settle(value(await carol.book.open(bob.mesh.self, "compute")), task(4)));
  all.clock.advance(3_600_000);
  value(await alice.book.settle(compute, task(3)));
});

test("a receipt may skip 10,000 that never came, and no more", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const deal = value(await alice.book.open(bob.mesh.self, "compute"));
  const { mesh } = alice;
  const call = mesh.call.bind(mesh) as typeof mesh.call;
  let skipped = MAX_SKIPPED + 1;
  mesh.call = async (peer, protocol, method, request, options) => {
    const answer = await call(peer, protocol, method, request, options);
    if (method !== (DEAL_PROTOCOL.methods.settle as unknown) || !answer.ok) return answer;
    // The seller signs what it says, true or not.
    const { receipt } = answer.value as unknown as { receipt: Receipt };
    const ahead = { ...receipt, sequence: skipped };
    const forged = { receipt: ahead, signature: await bob.mesh.sign(receiptMessage(ahead)) };
    return { ok: true, value: forged as unknown as typeof answer.value };
  };
  assert.equal(MAX_SKIPPED, 10_000);
  assert.equal(refusal(await alice.book.settle(deal, task(1))), "conflict");
  assert.equal((await alice.book.receipts()).length, 0);
  skipped = MAX_SKIPPED;
  assert.equal(value(await alice.book.settle(deal, task(1))).sequence, 10_000);
});

test("a step whose price would not fit into the sums is refused, and nobody is blamed for it", async (t) => {
  const all = await world(t);
  const party = () => all.party({ circle: undefined, rails: () => [new PurseRail(0)] });
  const [seller, buyer] = [await party(), await party()];
  seller.book.sell("compute", { service: "compute", prices: { task: 1e12 }, credit: 1e12 });
  const deal = value(await buyer.book.open(seller.mesh.self, "compute", { task: 1e12 }));
  assert.equal(refusal(await buyer.book.settle(deal, { ...task(0), milliUnits: 1e12 })), "bad-request");
  assert.equal(value(await buyer.book.settle(deal, task(1))).amountMsat, 1e12);
});

test("another's deal can be neither settled, acknowledged nor closed", async (t) => {
  const all = await world(t);
  const [alice, bob, carol] = [await all.party(), await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const deal = value(await alice.book.open(bob.mesh.self, "compute"));
  const { methods } = DEAL_PROTOCOL;
  const call = <Q, A>(method: Parameters<typeof carol.mesh.call<Q, A>>[2], request: Q) =>
    carol.mesh.call(bob.mesh.self, DEAL_PROTOCOL, method, request);
  assert.equal(refusal(await call(methods.settle, { deal: deal.id, step: task(1) })), "not-found");
  assert.equal(refusal(await call(methods.acknowledge, { deal: deal.id, signatures: [] })), "not-found");
  assert.equal(refusal(await call(methods.close, { deal: deal.id })), "not-found");
  assert.equal(bob.book.require(alice.mesh.self, "compute").ok, true);
});

test("a power cut on either side loses no deal and no receipt that was told", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const deal = value(await alice.book.open(bob.mesh.self, "compute"));
  const told: KeptReceipt[] = [];
  for (let i = 0; i < 5; i++) told.push(value(await alice.book.settle(deal, task(i))));
  for (const party of [alice, bob]) {
    // What is under way belongs to a machine that is no more.
    party.world = party.world.powerCut(new SeededRandom(5));
    await party.reopen();
    const kept = await party.book.receipts();
    assert.deepEqual(
      kept.map((receipt) => [receipt.sequence, receipt.subject]),
      told.map((receipt) => [receipt.sequence, receipt.subject]).reverse(),
    );
    assert.equal(party.book.list()[0]?.id, deal.id);
  }
});

test("signatures that could not be handed over come later, and are kept", async (t) => {
  const all = await world(t);
  const [alice, bob] = [await all.party(), await all.party()];
  bob.book.sell("compute", { service: "compute", prices: {} });
  const deal = value(await alice.book.open(bob.mesh.self, "compute"));
  const { mesh } = alice;
  const call = mesh.call.bind(mesh) as typeof mesh.call;
  let lost = 0;
  mesh.call = async (peer, protocol, method, request, options) => {
    if (method !== (DEAL_PROTOCOL.methods.acknowledge as unknown))
      return await call(peer, protocol, method, request, options);
    lost++;
    return { ok: false, refusal: { code: "unreachable", text: "the connection broke" } };
  };
  value(await alice.book.settle(deal, task(1)));
  await until(async () => lost > 0);
  assert.equal((await bob.book.receipts())[0]?.buyerSignature, undefined);
  mesh.call = call;
  await alice.book.stop();
  await alice.reopen();
  all.clock.advance(30_000);
  await until(async () => (await bob.book.receipts())[0]?.buyerSignature !== undefined);
});

/** A rail with money in it, to see that deals ask for it as they should: a purse for each payer. */
class PurseRail implements PaymentRail {
  readonly name: RailName = "channel";
  readonly #purse: { left: number; paid: Map<string, number>; references: Set<string> };

  constructor(msat: number) {
    this.#purse = { left: msat, paid: new Map(), references: new Set() };
  }

  async open(_peer: RailPeer, limitMsat: number): Promise<RailOutcome<{ limitMsat: number }>> {
    return { ok: true, value: { limitMsat } };
  }

  async pay({ peer }: RailPeer, totalMsat: number, reference: string) {
    const before = this.#purse.paid.get(peer) ?? 0;
    const due = this.#purse.references.has(reference) ? 0 : Math.max(0, totalMsat - before);
    if (due > this.#purse.left) return { ok: false, reason: "no-funds", text: "the purse is empty" } as const;
    this.#purse.left -= due;
    this.#purse.references.add(reference);
    this.#purse.paid.set(peer, before + due);
    return {
      ok: true,
      value: { paidMsat: before + due, proof: new TextEncoder().encode(`${before + due}`) },
    } as const;
  }

  async receive(_peer: RailPeer, proof: Uint8Array): Promise<RailOutcome<{ receivedMsat: number }>> {
    return { ok: true, value: { receivedMsat: Number(new TextDecoder().decode(proof)) } };
  }

  async close({ peer }: RailPeer) {
    return { ok: true, value: { paidMsat: this.#purse.paid.get(peer) ?? 0 } } as const;
  }
}

test("work is paid after its proof; when the money ends, so does the credit", async (t) => {
  const all = await world(t);
  const seller = await all.party({ circle: undefined, rails: () => [new PurseRail(0)] });
  const buyer = await all.party({ circle: undefined, rails: () => [new PurseRail(2500)] });
  seller.book.sell("compute", { service: "compute", prices: { task: 1000 }, credit: 1500 });
  assert.equal(refusal(await buyer.book.open(seller.mesh.self, "compute", { task: 999 })), "not-allowed");
  const deal = value(await buyer.book.open(seller.mesh.self, "compute", { task: 1000 }));
  const allowed = () => seller.book.require(buyer.mesh.self, "compute");
  for (let i = 0; i < 2; i++) {
    assert.equal(value(await buyer.book.settle(deal, task(i))).amountMsat, 1000);
    await until(async () => (await seller.book.receipts())[0]?.buyerSignature !== undefined);
  }
  assert.equal(allowed().ok, true);
  value(await buyer.book.settle(deal, task(2)));
  assert.equal(allowed().ok, true, "one step on credit");
  value(await buyer.book.settle(deal, task(3)));
  assert.equal(refusal(allowed()), "unpaid");
  assert.deepEqual(await seller.book.totals(), [
    { service: "compute", role: "seller", receipts: 4, msat: 4000 },
  ]);
});

test("the name of terms and the bytes under signatures are those of docs/protocols/deal.md", async () => {
  const terms = {
    service: "storage",
    buyer: "12D3KooWGzh4k9xVbPMGM8jUQX4YyuTjdvyGsrnAwdPBYcK2FrbV",
    buyerAccount: "aa".repeat(32),
    seller: "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X",
    sellerAccount: "bb".repeat(32),
    rail: "free",
    prices: {},
    credit: 0,
    from: 1_800_000_000,
    until: 1_800_604_800,
    epochSeconds: 3600,
    auditLeaves: 8,
    nonce: new Uint8Array(16).fill(7),
  } as const;
  const { readFile } = await import("node:fs/promises");
  const page = await readFile(new URL("../../../docs/protocols/deal.md", import.meta.url), "utf8");
  const id = dealIdOf(terms);
  assert.ok(page.includes(id), `docs/protocols/deal.md lacks the deal id ${id}`);
  const { toHex } = await import("#base/lib/bytes.ts");
  const { sha256 } = await import("#base/crypto/sha256.ts");
  const receipt = {
    deal: id,
    sequence: 3,
    what: "epoch audited",
    subject: "cc".repeat(32),
    unit: "gib-epoch",
    milliUnits: 4,
    amountMsat: 0,
    time: 1_800_003_600,
    proof: "dd".repeat(32),
  } as const;
  for (const bytes of [termsMessage(terms), receiptMessage(receipt)]) {
    const hash = toHex(sha256(bytes));
    assert.ok(page.includes(hash), `docs/protocols/deal.md lacks ${hash}`);
  }
});

test("docs/protocols/deal.md tells the limits that hold", async () => {
  const { readFile } = await import("node:fs/promises");
  const page = (
    await readFile(new URL("../../../docs/protocols/deal.md", import.meta.url), "utf8")
  ).replaceAll(/\s+/g, " ");
  const { openDeals, dealsAnHour, receiptsAnHour } = SELLER_LIMITS;
  const number = (value: number) => value.toLocaleString("en-US");
  for (const sentence of [
    `fewer than ${openDeals} deals of this buyer for the service are open`,
    `fewer than ${dealsAnHour} deals of this buyer began within the last hour`,
    `more than ${number(receiptsAnHour)} receipts to one buyer within an hour`,
    `more than ${number(MAX_SKIPPED)} beyond the one that it expects`,
    `begin within ${CLOCK_SKEW} s of its clock`,
    `up to ${MAX_ACKNOWLEDGED} in one \`acknowledge\``,
  ]) {
    assert.ok(page.includes(sentence), `docs/protocols/deal.md does not say: ${sentence}`);
  }
});
