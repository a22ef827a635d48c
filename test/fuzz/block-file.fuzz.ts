import { concatBytes, hex, toHex } from "#base/lib/bytes.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { scanBlockFile } from "#ledger/chain/block-files.ts";
import type { FuzzTarget } from "./fuzz.ts";

const magic = hex("fabfb5da");
const frame = (length: number): Uint8Array =>
  concatBytes(magic, Uint8Array.of(length, 0, 0, 0), new Uint8Array(length).fill(length));

/** A file handed to -loadblock: whatever it holds, the frames found lie in it, in order, and say what stands there. */
export const target: FuzzTarget = {
  name: "block file",
  seeds: [
    concatBytes(frame(80), frame(100), frame(200)),
    concatBytes(hex("fafa"), magic, frame(90), magic, hex("ffff0000"), frame(81)),
    concatBytes(frame(85), new Uint8Array(100), frame(255).subarray(0, 60)),
  ],
  async run(input) {
    const { files } = new FaultWorld();
    const file = await files.open("/blk", "create");
    await file.write(input, 0);
    let end = 0;
    for await (const { position, bytes } of scanBlockFile({ path: "/blk", magic }, { files })) {
      const { offset } = position;
      if (offset - 8 < end) throw new Error("frames overlap");
      end = offset + bytes.length;
      if (toHex(input.subarray(offset, end)) !== toHex(bytes)) throw new Error("the frame has other bytes");
    }
  },
};
