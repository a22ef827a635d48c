import assert from "node:assert/strict";
import { DecodeError } from "#base/lib/decode-error.ts";
import { addChecksum, descriptorChecksum } from "#protocol/bitcoin/descriptor-checksum.ts";
import { main } from "#protocol/bitcoin/networks.ts";
import { parseDescriptor } from "#protocol/bitcoin/parse-descriptor.ts";
import type { FuzzTarget } from "./fuzz.ts";

const KEY = "03a34b99f22c790c4e36b2b3c2c35a36db06226e41c692fc82b8b56ac1c540c5bd";
const X = KEY.slice(2);
const XPUB =
  "xpub68NZiKmJWnxxS6aaHmn81bvJeTESw724CRDs6HbuccFQN9Ku14VQrADWgqbhhTHBaohPX4CjNLf9fq9MYo6oDaPPLPxSb7gwQN3ih19Zm4Y";
const WIF = "L4rK1yDtCWekvXuE6oXD9jCYfFNV2cWRpVuPLBcCU2z8TrisoyY1";

const SEEDS = [
  `wpkh([d34db33f/84h/0'/0h]${XPUB}/<0;1>/*)`,
  `sh(wsh(sortedmulti(2,${KEY},${WIF},${XPUB}/3/*)))`,
  `tr(${X},{pk(${X}),{multi_a(1,${X},${KEY}),pkh(${WIF})}})`,
  `combo(${KEY})`,
  "addr(bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4)",
  "raw(deadbeef)",
  `rawtr(${X})`,
];

/** Mutations rarely hit the checksum, so it is put right where there was one to begin with. */
export const target: FuzzTarget = {
  name: "descriptors",
  seeds: SEEDS.map((text) => new TextEncoder().encode(text)),
  run(input) {
    const text = new TextDecoder("latin1").decode(input);
    const [payload = ""] = text.split("#");
    if (descriptorChecksum(payload) === undefined) {
      assert.throws(() => parseDescriptor(text, main), DecodeError);
      return;
    }
    const { descriptors } = parseDescriptor(addChecksum(payload), main, true);
    for (const descriptor of descriptors) {
      const canonical = descriptor.toString();
      const [again] = parseDescriptor(canonical, main, true).descriptors;
      assert.equal(again!.toString(), canonical);
      const expansion = descriptor.expand(0);
      if (expansion !== undefined) assert.ok(expansion.scripts.length > 0);
    }
  },
};
