import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256 } from "#base/crypto/sha256.ts";
import { toHex } from "#base/lib/bytes.ts";
import { encodeCbor } from "./cbor.ts";
import { certifyDevice, certifyMember, circleId, invitationLink, type Signed } from "./certificates.ts";
import { peerIdOf, signingKeyFrom } from "./identity.ts";
import { invitationProof } from "./invitation-proof.ts";
import { signRemovals } from "./removal-list.ts";
import { cancelFrame, refusalFrame, replyFrame, requestFrame } from "./rpc-frames.ts";

const account = signingKeyFrom(new Uint8Array(32).fill(1));
const device = signingKeyFrom(new Uint8Array(32).fill(2));
const nonce = new Uint8Array(16).fill(3);
const founder = account.publicKey;
const text = ({ body, signature }: Signed): string => `${toHex(body)} ${toHex(signature)}`;

/** The vectors of docs/protocols/mesh.md, made anew. */
const VECTORS: Readonly<Record<string, string>> = {
  "peer id": peerIdOf(device.publicKey),
  circle: circleId({ founder, nonce }),
  "device certificate": text(certifyDevice(account, device.publicKey, 1_700_000_000)),
  membership: text(certifyMember(account, nonce, founder, 1_700_000_000)),
  removals: text(signRemovals(account, nonce, 1, new Map([["05".repeat(32), 1_700_000_100]])).signed),
  invitation: invitationLink(account, {
    addresses: ["/ip4/127.0.0.1/tcp/8440"],
    device: device.publicKey,
    founder,
    nonce,
    secret: new Uint8Array(16).fill(4),
    uses: 4,
    expires: 1_700_086_400,
  }),
  "invitation proof": toHex(
    invitationProof(sha256(new Uint8Array(16).fill(4)), {
      caller: signingKeyFrom(new Uint8Array(32).fill(6)).publicKey,
      answerer: device.publicKey,
    }),
  ),
  request: toHex(requestFrame(7, "ping", encodeCbor({}))),
  reply: toHex(replyFrame(7, encodeCbor({}))),
  refusal: toHex(refusalFrame(8, { code: "full", text: "no room" })),
  cancel: toHex(cancelFrame(9)),
};

test("the vectors of docs/protocols/mesh.md are what this code makes", () => {
  const page = readFileSync(join(import.meta.dirname, "../../../docs/protocols/mesh.md"), "utf8");
  const section = page.slice(page.indexOf("## Test vectors"));
  const given = [...section.matchAll(/^([a-z ]+): (.+)$/gm)].map(([, name, value]) => [name, value]);
  assert.deepEqual(Object.fromEntries(given), VECTORS);
});
