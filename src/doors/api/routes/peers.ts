import type { FastifyInstance } from "fastify";
import { toHex } from "#base/lib/bytes.ts";
import type { KeptReceipt, ReceiptQuery } from "#sharing/deals/deal.ts";
import type { PeerView } from "#sharing/mesh/mesh.ts";
import { ApiError, sharingOf, unwrap } from "../api-error.ts";
import type { ApiContext } from "../context.ts";

const PEER = {
  type: "object",
  required: ["peer", "name", "standing", "connected", "addresses", "bytesSent", "bytesReceived", "offers"],
  properties: {
    peer: { type: "string", description: "libp2p peer id of the device" },
    account: { type: "string", description: "Ed25519 public key of its owner, hex" },
    name: { type: "string", description: "what it calls itself; not to be trusted" },
    standing: { type: "string", enum: ["friend", "stranger", "banned"] },
    standingReason: { type: "string", description: "why it is no friend any more, where it was one" },
    connected: { type: "boolean" },
    addresses: { type: "array", items: { type: "string" }, description: "multiaddrs, best first" },
    ip: { type: "string" },
    latencyMs: { type: "number", description: "moving median of round trips" },
    bytesSent: { type: "integer" },
    bytesReceived: { type: "integer" },
    offers: {
      type: "object",
      additionalProperties: { type: "string" },
      description: "what it offers, by service; CBOR, hex",
    },
  },
} as const;

const DEAL = {
  type: "object",
  required: ["id", "service", "role", "peer", "rail", "state", "until"],
  properties: {
    id: { type: "string" },
    service: { type: "string" },
    role: { type: "string", enum: ["buyer", "seller"] },
    peer: { type: "string", description: "the other side" },
    rail: { type: "string", enum: ["free", "channel", "lightning"] },
    state: { type: "string", enum: ["open", "closed"] },
    until: { type: "integer", description: "seconds since 1970" },
  },
} as const;

const RECEIPT = {
  type: "object",
  required: ["deal", "sequence", "what", "subject", "unit", "milliUnits", "amountMsat", "time", "proof"],
  properties: {
    deal: { type: "string" },
    sequence: { type: "integer" },
    what: { type: "string" },
    subject: { type: "string", description: "a shard's root, a task's id; hex" },
    unit: { type: "string" },
    milliUnits: { type: "integer", description: "units in thousandths" },
    amountMsat: { type: "integer" },
    time: { type: "integer", description: "seconds since 1970, by the seller's clock" },
    proof: { type: "string", description: "hash of the evidence, hex" },
    role: { type: "string", enum: ["buyer", "seller"] },
    peer: { type: "string", description: "the other side" },
    service: { type: "string" },
    sellerSignature: { type: "string", description: "Ed25519 of the seller's device, hex" },
    buyerSignature: { type: "string", description: "missing until the buyer acknowledged it" },
  },
} as const;

const PEER_ID = {
  type: "object",
  required: ["peer"],
  properties: { peer: { type: "string", minLength: 40, maxLength: 64 } },
} as const;

/** Longest invitation: 30 days. */
const MAX_SECONDS = 30 * 86_400;

/** Who is around, and what was agreed and done between us: peers, invitations, deals, receipts. */
export function peersRoutes(app: FastifyInstance, context: ApiContext): void {
  peerRoutes(app, context);
  invitationRoutes(app, context);
  dealRoutes(app, context);
}

function peerRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    "/peers",
    {
      schema: {
        tags: ["peers"],
        summary: "Every known peer, connected or not",
        response: { 200: { type: "array", items: PEER } },
      },
    },
    async () => (await sharingOf(context).peers()).map(peerJson),
  );

  app.post<{ Params: { peer: string }; Body: { reason?: string } | undefined }>(
    "/peers/:peer/ban",
    {
      schema: {
        tags: ["peers"],
        summary: "Disconnect a peer and refuse it for a day",
        params: PEER_ID,
        body: {
          type: ["object", "null"],
          additionalProperties: false,
          properties: { reason: { type: "string", maxLength: 200 } },
        },
        response: { 200: PEER },
      },
    },
    async ({ params, body }) => {
      const reason = body?.reason ?? "banned by hand";
      const result = await sharingOf(context).banPeer({ peer: params.peer, reason });
      if (!result.ok) throw new ApiError(404, result.reason);
      return peerJson(result.value);
    },
  );

  app.post<{ Params: { peer: string } }>(
    "/peers/:peer/remove",
    {
      schema: {
        tags: ["peers"],
        summary: "Remove a peer's account from the circle that this account founded, for every member",
        params: PEER_ID,
        response: { 200: PEER },
      },
    },
    async ({ params }) => peerJson(unwrap(await sharingOf(context).removeMember({ peer: params.peer }))),
  );

  app.delete<{ Params: { peer: string } }>(
    "/peers/:peer",
    {
      schema: {
        tags: ["peers"],
        summary: "Forget a peer: its addresses, and the trust in its account",
        params: PEER_ID,
        response: { 204: { type: "null" } },
      },
    },
    async ({ params }, reply) => {
      const result = await sharingOf(context).forgetPeer({ peer: params.peer });
      if (!result.ok) throw new ApiError(404, result.reason);
      return reply.code(204).send();
    },
  );
}

function invitationRoutes(app: FastifyInstance, context: ApiContext): void {
  app.post<{ Body: { link: string } }>(
    "/peers",
    {
      schema: {
        tags: ["peers"],
        summary: "Accept an invitation, or add a peer by its address and trust it",
        body: {
          type: "object",
          required: ["link"],
          additionalProperties: false,
          properties: {
            link: {
              type: "string",
              minLength: 1,
              maxLength: 4096,
              description: "freehold:join/… or /ip4/…/p2p/…",
            },
          },
        },
        response: { 200: PEER },
      },
    },
    async ({ body }) => peerJson(unwrap(await sharingOf(context).addPeer({ link: body.link }))),
  );

  app.post<{ Body: { uses: number; seconds: number } }>(
    "/peers/invitations",
    {
      schema: {
        tags: ["peers"],
        summary: "Make a link that lets others into our circle",
        body: {
          type: "object",
          required: ["uses", "seconds"],
          additionalProperties: false,
          properties: {
            uses: { type: "integer", minimum: 1, maximum: 1000 },
            seconds: { type: "integer", minimum: 60, maximum: MAX_SECONDS },
          },
        },
        response: {
          200: {
            type: "object",
            required: ["link", "expires"],
            properties: { link: { type: "string" }, expires: { type: "integer" } },
          },
        },
      },
    },
    async ({ body }) => unwrap(await sharingOf(context).invite({ uses: body.uses, seconds: body.seconds })),
  );
}

function dealRoutes(app: FastifyInstance, context: ApiContext): void {
  app.get(
    "/deals",
    {
      schema: {
        tags: ["deals"],
        summary: "Terms agreed with peers",
        response: { 200: { type: "array", items: DEAL } },
      },
    },
    async () => sharingOf(context).deals(),
  );

  app.get<{ Querystring: ReceiptQuery }>(
    "/receipts",
    {
      schema: {
        tags: ["deals"],
        summary: "What was done for whom, when, against which proof; newest first",
        querystring: {
          type: "object",
          additionalProperties: false,
          properties: {
            peer: { type: "string", maxLength: 64 },
            service: { type: "string", enum: ["storage", "compute", "relay"] },
            deal: { type: "string", pattern: "^[0-9a-f]{64}$" },
            role: { type: "string", enum: ["buyer", "seller"] },
            limit: { type: "integer", minimum: 1, maximum: 1000, default: 100 },
          },
        },
        response: { 200: { type: "array", items: RECEIPT } },
      },
    },
    async ({ query }) => (await sharingOf(context).receipts(query)).map(receiptJson),
  );
}

function peerJson(view: PeerView): Record<string, unknown> {
  const offers = Object.entries(view.offers).map(([service, value]) => [service, toHex(value)]);
  return { ...view, offers: Object.fromEntries(offers) };
}

function receiptJson(receipt: KeptReceipt): Record<string, unknown> {
  const { buyerSignature } = receipt;
  return {
    ...receipt,
    sellerSignature: toHex(receipt.sellerSignature),
    ...(buyerSignature === undefined ? {} : { buyerSignature: toHex(buyerSignature) }),
  };
}
