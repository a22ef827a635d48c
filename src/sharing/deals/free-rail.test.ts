import { FreeRail } from "./free-rail.ts";
import { paymentRailSuite } from "./test-support/payment-rail-suite.ts";

paymentRailSuite("free", async () => {
  const payerPeer = { peer: "payer", account: "aa" };
  const payeePeer = { peer: "payee", account: "bb" };
  return {
    payer: new FreeRail((peer) => peer === payeePeer.peer),
    payee: new FreeRail((peer) => peer === payerPeer.peer),
    payerPeer,
    payeePeer,
    stranger: { peer: "stranger", account: "cc" },
    limitMsat: 0,
    async close() {},
  };
});
