// Loosely: zero and minus zero are one.
import assert from "node:assert";
import { SeededRandom } from "#base/lib/random.ts";
import { decodeFrame, encodeFrame, type Frame, FrameReader } from "#node/link/frame.ts";
import type { FuzzTarget } from "./fuzz.ts";

const FRAMES: readonly Frame[] = [
  {
    kind: "call",
    id: 1,
    method: "rail.pay",
    argument: { rail: "free", totalMsat: 0, proof: new Uint8Array(40) },
  },
  { kind: "reply", id: 2, value: [null, true, -1, 1.5, "text", { a: [1, 2, 3] }] },
  { kind: "refusal", id: 3, code: "bad-request", text: "it does not fit" },
  { kind: "item", id: 4, value: { type: "traffic", edges: [{ peer: "p", sent: 2 ** 40, received: 0 }] } },
  { kind: "end", id: 5 },
  { kind: "cancel", id: 6 },
  { kind: "credit", id: 0xffff_ffff, bytes: 65_536 },
];
const LIMIT = 4096;

const whole = FRAMES.map(encodeFrame);

/** A stream of frames, cut at random places: what is whole and sound is read, and means the same when it is sent on. */
export const target: FuzzTarget = {
  name: "frames of the link",
  seeds: [...whole, Buffer.concat(whole)],
  run(input) {
    const reader = new FrameReader(LIMIT);
    const random = new SeededRandom(input.length);
    for (let at = 0; at < input.length; ) {
      const end = Math.min(input.length, at + 1 + random.below(64));
      reader.push(input.subarray(at, end));
      at = end;
      for (let body = reader.next(); body !== undefined; body = reader.next()) {
        const frame = decodeFrame(body);
        assert.deepEqual(decodeFrame(encodeFrame(frame).subarray(4)), frame);
      }
      if (reader.held > LIMIT + 4 + 64) throw new Error(`${reader.held} bytes held`);
    }
  },
};
