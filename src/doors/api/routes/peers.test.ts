import assert from "node:assert/strict";
import { test } from "node:test";
import Fastify, { type FastifyInstance } from "fastify";
import type { KeptReceipt } from "#sharing/deals/deal.ts";
import type { PeerView } from "#sharing/mesh/mesh.ts";
import type { SharingControl } from "../sharing-control.ts";
import { testContext } from "../test-support/test-context.ts";
import { peersRoutes } from "./peers.ts";

const PEER = "12D3KooWRGPVW4ufaT2wX68EgeVTDJvs4bH3HDh3XeUchKdxKeQx";
const VIEW: PeerView = {
  peer: PEER,
  account: "ab".repeat(32),
  name: "Bob",
  standing: "friend",
  connected: true,
  addresses: ["/ip4/127.0.0.1/tcp/8440"],
  ip: "127.0.0.1",
  latencyMs: 1.5,
  bytesSent: 10,
  bytesReceived: 20,
  offers: { storage: Uint8Array.of(0xa0) },
};
const RECEIPT: KeptReceipt = {
  deal: "cd".repeat(32),
  sequence: 0,
  what: "task verified",
  subject: "ef",
  unit: "task",
  milliUnits: 1000,
  amountMsat: 0,
  time: 1,
  proof: "01",
  role: "buyer",
  peer: PEER,
  service: "compute",
  sellerSignature: new Uint8Array(64).fill(1),
};

function open(control: Partial<SharingControl>): FastifyInstance {
  const context = testContext("/none", { state: "running", control: control as SharingControl });
  const app = Fastify();
  peersRoutes(app, context);
  return app;
}

test("peers, their offers in hex", async () => {
  const app = open({ peers: async () => [VIEW] });
  const { json } = await app.inject({ url: "/peers" });
  assert.deepEqual(json(), [{ ...VIEW, offers: { storage: "a0" } }]);
});

test("receipts are asked for by service, peer and side, with signatures in hex", async () => {
  const asked: unknown[] = [];
  const app = open({
    receipts: async (query) => {
      asked.push({ ...query });
      return [RECEIPT];
    },
  });
  const answer = await app.inject({ url: `/receipts?service=compute&role=buyer&peer=${PEER}&limit=5` });
  assert.deepEqual(answer.json(), [{ ...RECEIPT, sellerSignature: "01".repeat(64) }]);
  assert.deepEqual(asked, [{ service: "compute", role: "buyer", peer: PEER, limit: 5 }]);
  assert.equal((await app.inject({ url: "/receipts?service=food" })).statusCode, 400);
  assert.equal((await app.inject({ url: "/receipts?limit=0" })).statusCode, 400);
});

test("invitations are bounded, and what is wrong with a link is said", async () => {
  const app = open({
    invite: async ({ uses, seconds }) => ({ ok: true, value: { link: `${uses} ${seconds}`, expires: 7 } }),
    addPeer: async ({ link }) =>
      link === "good" ? { ok: true, value: VIEW } : { ok: false, reason: "this is no invitation" },
  });
  const post = (url: string, payload: object) => app.inject({ method: "POST", url, payload });
  assert.deepEqual((await post("/peers/invitations", { uses: 4, seconds: 600 })).json(), {
    link: "4 600",
    expires: 7,
  });
  assert.equal((await post("/peers/invitations", { uses: 0, seconds: 600 })).statusCode, 400);
  assert.equal((await post("/peers/invitations", { uses: 1, seconds: 1 })).statusCode, 400);
  assert.equal((await post("/peers", { link: "good" })).json().name, "Bob");
  const bad = await post("/peers", { link: "bad" });
  assert.equal(bad.statusCode, 409);
  assert.match(bad.body, /this is no invitation/);
});

test("bans and forgetting reach the mesh; an unknown peer is not found", async () => {
  const done: unknown[] = [];
  const app = open({
    banPeer: async (request) => {
      done.push(request);
      return { ok: true, value: { ...VIEW, standing: "banned" } };
    },
    forgetPeer: async () => ({ ok: false, reason: "no such peer" }),
  });
  const banned = await app.inject({ method: "POST", url: `/peers/${PEER}/ban`, payload: { reason: "spam" } });
  assert.equal(banned.json().standing, "banned");
  assert.deepEqual(done, [{ peer: PEER, reason: "spam" }]);
  assert.equal((await app.inject({ method: "DELETE", url: `/peers/${PEER}` })).statusCode, 404);
  assert.equal((await app.inject({ method: "DELETE", url: "/peers/short" })).statusCode, 400);
});

test("a member is removed by its peer id; who may not is told why", async () => {
  const done: unknown[] = [];
  const removing = open({
    removeMember: async (request) => {
      done.push(request);
      const standingReason = "the founder removed it from the circle";
      return { ok: true, value: { ...VIEW, standing: "stranger", standingReason } };
    },
  });
  const removed = await removing.inject({ method: "POST", url: `/peers/${PEER}/remove` });
  assert.equal(removed.json().standing, "stranger");
  assert.match(removed.json().standingReason, /founder/);
  assert.deepEqual(done, [{ peer: PEER }]);
  const refusing = open({ removeMember: async () => ({ ok: false, reason: "only its founder can" }) });
  const refused = await refusing.inject({ method: "POST", url: `/peers/${PEER}/remove` });
  assert.equal(refused.statusCode, 409);
  assert.match(refused.body, /only its founder can/);
});
