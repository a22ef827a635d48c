/** Check values of "123456789" (the catalogue of parametrised CRC algorithms; FIPS 180-4) and agreement over cuts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import { CHECKSUMS, startChecksum } from "./checksum.ts";

const CHECK: Readonly<Record<(typeof CHECKSUMS)[number], string>> = {
  crc32: "cbf43926",
  crc32c: "e3069283",
  crc64nvme: "ae8b14860a799888",
  sha1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
  sha256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
};

for (const name of CHECKSUMS) {
  test(`${name}: check value, and the same however the bytes are cut`, () => {
    const nine = startChecksum(name);
    nine.update(new TextEncoder().encode("123456789"));
    assert.equal(Buffer.from(nine.digest(), "base64").toString("hex"), CHECK[name]);

    const random = new SeededRandom(7);
    const bytes = random.fill(new Uint8Array(10_000));
    const whole = startChecksum(name);
    whole.update(bytes);
    const cut = startChecksum(name);
    for (let at = 0; at < bytes.length; ) {
      const length = random.below(40);
      cut.update(bytes.subarray(at, at + length));
      at += length;
    }
    assert.equal(cut.digest(), whole.digest());
  });
}
