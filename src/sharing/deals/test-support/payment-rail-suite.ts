/** What every payment rail keeps, run over each of them, directly and across the link of the two processes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PaymentRail, RailPeer } from "../payment-rail.ts";

/** Two ends of a rail between a payer and a payee that may use it, and a stranger that may not. */
export interface RailFixture {
  readonly payer: PaymentRail;
  readonly payee: PaymentRail;
  /** Each as the other end names it. */
  readonly payerPeer: RailPeer;
  readonly payeePeer: RailPeer;
  readonly stranger: RailPeer;
  /** The most that can be paid, millisatoshi; 0 on a rail that moves no value. */
  readonly limitMsat: number;
  close(): Promise<void>;
}

const reference = (byte: number): string => byte.toString(16).padStart(2, "0").repeat(32);

/** Runs the suite. */
export function paymentRailSuite(name: string, make: () => Promise<RailFixture>): void {
  const run = (title: string, body: (rail: RailFixture) => Promise<void>) =>
    test(`${name}: ${title}`, async () => {
      const fixture = await make();
      try {
        await body(fixture);
      } finally {
        await fixture.close();
      }
    });

  run("opening twice is one opening", async ({ payer, payeePeer, limitMsat }) => {
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await payer.open(payeePeer, limitMsat), { ok: true, value: { limitMsat } });
    }
  });

  run("who may not use it is refused with a reason", async ({ payer, payee, stranger }) => {
    for (const outcome of [await payer.open(stranger, 0), await payer.pay(stranger, 0, reference(1))]) {
      assert.ok(!outcome.ok && outcome.text.length > 0, JSON.stringify(outcome));
    }
    const received = await payee.receive(stranger, new Uint8Array(0));
    assert.equal(received.ok, false);
  });

  run("what was paid is received, and the total never goes down", async (fixture) => {
    const { payer, payee, payerPeer, payeePeer, limitMsat } = fixture;
    await payer.open(payeePeer, limitMsat);
    let last = 0;
    for (const [i, total] of [0, limitMsat >> 1, limitMsat].entries()) {
      const paid = await payer.pay(payeePeer, total, reference(i));
      assert.ok(paid.ok, JSON.stringify(paid));
      assert.equal(paid.value.paidMsat, total);
      const received = await payee.receive(payerPeer, paid.value.proof);
      assert.ok(received.ok, JSON.stringify(received));
      assert.ok(received.value.receivedMsat >= last);
      last = received.value.receivedMsat;
    }
    assert.equal(last, limitMsat);
  });

  run("the same reference twice pays once", async ({ payer, payeePeer, limitMsat }) => {
    await payer.open(payeePeer, limitMsat);
    const total = limitMsat >> 1;
    const first = await payer.pay(payeePeer, total, reference(7));
    const second = await payer.pay(payeePeer, total, reference(7));
    assert.ok(first.ok && second.ok);
    assert.equal(second.value.paidMsat, first.value.paidMsat);
  });

  run(
    "more than the limit is refused, and nothing is paid for it",
    async ({ payer, payeePeer, limitMsat }) => {
      await payer.open(payeePeer, limitMsat);
      const over = await payer.pay(payeePeer, limitMsat + 1, reference(2));
      assert.ok(!over.ok);
      assert.ok(["over-budget", "no-funds"].includes(over.reason), over.reason);
      const closed = await payer.close(payeePeer);
      assert.ok(closed.ok);
      assert.equal(closed.value.paidMsat, 0);
    },
  );

  run("a false proof is refused", async ({ payer, payee, payerPeer, payeePeer, limitMsat }) => {
    await payer.open(payeePeer, limitMsat);
    const outcome = await payee.receive(payerPeer, new Uint8Array(64).fill(7));
    assert.ok(!outcome.ok);
    assert.equal(outcome.reason, "bad-proof");
  });
}
