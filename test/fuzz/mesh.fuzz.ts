import { concatBytes } from "#base/lib/bytes.ts";
import { DecodeError, decodedOrUndefined } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";
import {
  certifyDevice,
  certifyMember,
  invitationLink,
  openDeviceCertificate,
  openMembership,
  parseInvitationLink,
} from "#sharing/mesh/certificates.ts";
import { signingKeyFrom } from "#sharing/mesh/identity.ts";
import { MESH_PROTOCOL } from "#sharing/mesh/mesh-protocol.ts";
import { checkAddresses, parsePeerAddress } from "#sharing/mesh/multiaddrs.ts";
import { openRemovals, signedRemovalsSchema, signRemovals } from "#sharing/mesh/removal-list.ts";
import {
  cancelFrame,
  parseAnswered,
  parseAsked,
  refusalFrame,
  replyFrame,
  requestFrame,
} from "#sharing/mesh/rpc-frames.ts";
import type { FuzzTarget } from "./fuzz.ts";

const key = signingKeyFrom(new Uint8Array(32).fill(1));
const nonce = new Uint8Array(16).fill(2);
const certificate = certifyDevice(key, key.publicKey, 1_700_000_000);
const membership = certifyMember(key, nonce, key.publicKey, 1_700_000_000);
const removals = signRemovals(key, nonce, 3, new Map([["05".repeat(32), 1_700_000_100]]));
const told = { circle: new Uint8Array(32).fill(3), version: 3, digest: removals.digest };
const hello = {
  certificate,
  name: "Alice",
  addresses: ["/ip4/127.0.0.1/tcp/8440", "/ip4/127.0.0.1/tcp/8441/ws"],
  offers: { storage: Uint8Array.of(0xa0) },
  circles: [membership],
  removals: [told],
};
const circle = { founder: key.publicKey, nonce };
const bodies: Readonly<Record<string, readonly [request: unknown, reply: unknown]>> = {
  hello: [{ ...hello, invited: { ...circle, proof: new Uint8Array(32).fill(7) } }, hello],
  update: [{ name: "Bob", addresses: [], offers: {}, removals: [told] }, {}],
  ping: [{}, {}],
  join: [{ ...circle, secret: nonce }, { membership }],
  circles: [{}, { memberships: [membership] }],
  removals: [circle, { list: removals.signed }],
  members: [
    { ...circle, from: 0 },
    { members: [{ membership, devices: [{ certificate, addresses: ["/ip6/::1/tcp/1"] }] }], more: false },
  ],
};
const link = invitationLink(key, {
  addresses: ["/ip4/127.0.0.1/tcp/8440"],
  device: key.publicKey,
  ...circle,
  secret: nonce,
  uses: 3,
  expires: 1_900_000_000,
});

/** A frame without its length: what a stream hands over. */
const unframed = (frame: Uint8Array): Uint8Array => frame.subarray(4);
const tagged = (tag: number, bytes: Uint8Array): Uint8Array => concatBytes(Uint8Array.of(tag), bytes);

const seeds = [
  ...Object.entries(bodies).flatMap(([name, [request, reply]]) => [
    tagged(0, unframed(requestFrame(3, name, encodeCbor(request)))),
    tagged(1, unframed(replyFrame(3, encodeCbor(reply)))),
  ]),
  tagged(0, unframed(cancelFrame(7))),
  tagged(1, unframed(refusalFrame(9, { code: "full", text: "no room" }))),
  tagged(2, new TextEncoder().encode(link)),
  tagged(3, encodeCbor(certificate)),
  tagged(3, encodeCbor(removals.signed)),
  tagged(
    4,
    new TextEncoder().encode(
      "/ip4/127.0.0.1/tcp/8440/p2p/12D3KooWRGPVW4ufaT2wX68EgeVTDJvs4bH3HDh3XeUchKdxKeQx",
    ),
  ),
];

function runAsked(bytes: Uint8Array): void {
  const asked = parseAsked(bytes);
  if (asked.kind !== "request") return;
  const method = Object.entries(MESH_PROTOCOL.methods).find(([name]) => name === asked.method)?.[1];
  method?.request.safeParse(asked.body);
}

function runAnswered(bytes: Uint8Array): void {
  const answered = parseAnswered(bytes);
  if (answered.kind !== "reply") return;
  for (const { reply } of Object.values(MESH_PROTOCOL.methods)) reply.safeParse(answered.body);
}

/** What decodes has one encoding alone: the bytes that it came in. */
function runCanonical(bytes: Uint8Array): void {
  const value = decodedOrUndefined(() => decodeCbor(bytes));
  if (value === undefined) return;
  const again = encodeCbor(value);
  if (again.length !== bytes.length || again.some((byte, i) => byte !== bytes[i])) {
    throw new Error("a value with two encodings");
  }
}

export const target: FuzzTarget = {
  name: "mesh messages, certificates, links and addresses",
  seeds,
  run(input) {
    const bytes = input.subarray(1);
    const text = new TextDecoder().decode(bytes);
    switch (input[0]! % 5) {
      case 0:
        runCanonical(bytes);
        return runAsked(bytes);
      case 1:
        return runAnswered(bytes);
      case 2:
        parseInvitationLink(text);
        return;
      case 3: {
        const signed = signedRemovalsSchema.safeParse(decodedOrUndefined(() => decodeCbor(bytes)));
        if (!signed.success) throw new DecodeError("no statement");
        openDeviceCertificate(signed.data);
        openMembership(signed.data);
        openRemovals(signed.data);
        return;
      }
      default:
        parsePeerAddress(text);
        checkAddresses([text]);
    }
  },
};
