import assert from "node:assert/strict";
import { encodeDer, hasHighS, isLowS, parseLaxDer } from "#base/crypto/lax-der.ts";
import { hex, toHex } from "#base/lib/bytes.ts";
import type { FuzzTarget } from "./fuzz.ts";

const R = "5990e0584b2b238e1dfaad8d6ed69ecc1a4a13ac85fc0b31d0df395eb1ba6105";
const S = "2d5876262c288beb511d061691bf26777344b702b00f8fe28621fe4e566695ed";

/** Whatever is parsed is a low S signature, and its strict form parses to the same. */
export const target: FuzzTarget = {
  name: "lax-der",
  seeds: [
    hex(`30440220${R}0220${S}`),
    hex(`3046022100${R}022100${S}`),
    hex(`3083ffffff02820020${R}0288000000000000002${"0"}${S}`),
    hex("300402000200"),
  ],
  run(input) {
    const compact = new Uint8Array(64);
    const low = isLowS(input);
    if (!parseLaxDer(input, compact)) {
      assert.equal(low, false);
      return;
    }
    assert.equal(hasHighS(compact), false);
    const again = new Uint8Array(64);
    assert.equal(parseLaxDer(encodeDer(compact), again), true);
    assert.equal(toHex(again), toHex(compact));
  },
};
