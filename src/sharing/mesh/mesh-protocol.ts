/**
 * `/freehold/mesh/1`: how two peers get to know each other. The side that dialled says hello first; no other protocol
 * is answered before. docs/protocols/mesh.md specifies it.
 */
import { z } from "zod";
import { MAX_ADDRESS, MAX_ADDRESSES, signedSchema } from "./certificates.ts";
import { invitationProofSchema } from "./invitation-proof.ts";
import { method, protocol } from "./protocol.ts";
import { removalsVersionSchema, signedRemovalsSchema } from "./removal-list.ts";
import { bytesOf, bytesUpTo, textUpTo } from "./schema.ts";

/** Most circles that one hello names. */
export const MAX_CIRCLES = 16;
/** Most services that a peer offers. */
export const MAX_OFFERS = 8;
export const MAX_OFFER_BYTES = 2048;
/** Most members of one page. */
export const MEMBER_PAGE = 64;

/** At most 32 characters, no control or format characters among them. */
const nameText = z.string().regex(/^[^\p{C}\p{Zl}\p{Zp}]{0,32}$/u);
const addresses = z.array(textUpTo(MAX_ADDRESS)).max(MAX_ADDRESSES);
const offers = z
  .record(z.string().regex(/^[a-z]{1,16}$/), bytesUpTo(MAX_OFFER_BYTES))
  .refine((value) => Object.keys(value).length <= MAX_OFFERS, "too many offers");

/** Which list of removals one has of a circle, by the circle's id. */
const toldRemovals = z.strictObject({ circle: bytesOf(32), ...removalsVersionSchema.shape });
export type ToldRemovals = z.infer<typeof toldRemovals>;
/** Of circles that the other side is in, or was removed from. */
const removals = z.array(toldRemovals).max(MAX_CIRCLES);

/** Who one is, and proof of it. */
export const helloSchema = z.strictObject({
  /** The account's certificate of this device. */
  certificate: signedSchema,
  name: nameText,
  /** Where it listens, multiaddrs. */
  addresses,
  offers,
  /** Certificates of its memberships in circles that the other side is in, as far as it knows. */
  circles: z.array(signedSchema).max(MAX_CIRCLES),
  removals,
  /** Only of who dials, on its way to `join`. */
  invited: invitationProofSchema.optional(),
});
export type Hello = z.infer<typeof helloSchema>;

/** What changed since the hello. */
const updateSchema = z.strictObject({ name: nameText, addresses, offers, removals });

const memberSchema = z.strictObject({
  membership: signedSchema,
  /** Its devices, as far as they are known, each with the account's certificate. */
  devices: z.array(z.strictObject({ certificate: signedSchema, addresses })).max(8),
});
export type MemberEntry = z.infer<typeof memberSchema>;

const circleSchema = z.strictObject({ founder: bytesOf(32), nonce: bytesOf(16) });
const empty = z.strictObject({});

export const MESH_PROTOCOL = protocol({
  name: "mesh",
  major: 1,
  methods: {
    hello: method({ request: helloSchema, reply: helloSchema }),
    update: method({ request: updateSchema, reply: empty }),
    ping: method({ request: empty, reply: empty }),
    /** Takes up an invitation: the founder's certificate of membership, once for each account. */
    join: method({
      request: z.strictObject({ ...circleSchema.shape, secret: bytesOf(16) }),
      reply: z.strictObject({ membership: signedSchema }),
    }),
    /** The circles that the asked peer and the caller's account are both in: the caller's own certificates. */
    circles: method({
      request: empty,
      reply: z.strictObject({ memberships: z.array(signedSchema).max(MAX_CIRCLES) }),
    }),
    /** Whom the founder removed from a circle that the caller is in, or was. */
    removals: method({
      request: circleSchema,
      reply: z.strictObject({ list: signedRemovalsSchema }),
    }),
    /** A page of the members of a circle that both are in, from an index on. */
    members: method({
      request: z.strictObject({ ...circleSchema.shape, from: z.int().min(0).max(100_000) }),
      reply: z.strictObject({ members: z.array(memberSchema).max(MEMBER_PAGE), more: z.boolean() }),
      replyLimit: 256 * 1024,
    }),
  },
});
