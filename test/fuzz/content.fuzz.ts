import { CONTENT_PROTOCOL } from "#sharing/content/content-messages.ts";
import { encodeCbor } from "#sharing/mesh/cbor.ts";
import { parseAnswered, parseAsked, replyFrame, requestFrame } from "#sharing/mesh/rpc-frames.ts";
import type { FuzzTarget } from "./fuzz.ts";

const id = "ab".repeat(32);
const unframed = (frame: Uint8Array): Uint8Array => frame.subarray(4);

export const target: FuzzTarget = {
  name: "content messages",
  seeds: [
    unframed(requestFrame(1, "describe", encodeCbor({ id }))),
    unframed(requestFrame(2, "chunk", encodeCbor({ id, index: 3 }))),
    unframed(replyFrame(1, encodeCbor({ length: 5, leaves: new Uint8Array(32) }))),
    unframed(replyFrame(2, encodeCbor({ bytes: Uint8Array.of(1, 2, 3) }))),
  ],
  run(input) {
    const methods = Object.values(CONTENT_PROTOCOL.methods);
    if (input[1] === 1) {
      const answered = parseAnswered(input);
      if (answered.kind === "reply") for (const { reply } of methods) reply.safeParse(answered.body);
      return;
    }
    const asked = parseAsked(input);
    if (asked.kind === "request") for (const { request } of methods) request.safeParse(asked.body);
  },
};
