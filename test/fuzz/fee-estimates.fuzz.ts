import { createHash } from "node:crypto";
import { decodeEstimates, encodeEstimates } from "#ledger/mempool/fee-estimates-file.ts";
import { FeeEstimator } from "#ledger/mempool/fee-estimator.ts";
import type { FuzzTarget } from "./fuzz.ts";

const whole = encodeEstimates(new FeeEstimator(), 1_800_000_000);
/** The counts are hundreds of kilobytes of zeros: what is varied is what stands before them. */
const HEAD = 32;

/** The head in a whole file, its checksum made right: else nothing behind it would ever be looked at. */
function sealed(head: Uint8Array): Uint8Array {
  const bytes = whole.slice();
  bytes.set(head.subarray(0, HEAD));
  bytes.set(createHash("sha256").update(bytes.subarray(0, -32)).digest(), bytes.length - 32);
  return bytes;
}

/** fee-estimates.dat. */
export const target: FuzzTarget = {
  name: "fee-estimates.dat",
  seeds: [whole.slice(0, HEAD), new Uint8Array(0)],
  run(input) {
    const { estimator } = decodeEstimates(sealed(input));
    estimator.estimate(6, true);
  },
};
