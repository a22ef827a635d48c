import { ByteReader } from "#base/lib/byte-reader.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { ALL_SCRIPT_FLAGS } from "#protocol/consensus/script-flags.ts";
import { verifyTransaction } from "#protocol/consensus/verify-inputs.ts";
import { readSeeds } from "../interop/kernel/script-seeds.ts";
import { creditAndSpend, interpret, trimFlags } from "../support/script-spends.ts";
import type { FuzzTarget } from "./fuzz.ts";

/**
 * A spend of one input: flags, the output's script, the input's script, and witness items, each with a u16 length
 * in front. A length that goes too far takes what there is, so that nearly every input is a spend.
 */
function encodeSeeds(): Uint8Array[] {
  const seeds: Uint8Array[] = [];
  for (const [i, { tx, prevouts }] of readSeeds().entries()) {
    if (i % 16 !== 0) continue;
    const { script, witness } = tx.inputs[0]!;
    const writer = new ByteWriter().u32(ALL_SCRIPT_FLAGS);
    for (const item of [prevouts[0]!.script, script, ...witness]) writer.u16(item.length).bytes(item);
    seeds.push(writer.finish());
  }
  return seeds;
}

export const target: FuzzTarget = {
  name: "script",
  seeds: encodeSeeds(),
  run(input) {
    const reader = new ByteReader(input);
    const flags = trimFlags(reader.u32() & ALL_SCRIPT_FLAGS);
    const item = () => {
      const length = reader.u16();
      return reader.copy(Math.min(length, reader.remaining));
    };
    const scriptPubKey = item();
    const scriptSig = item();
    const witness: Uint8Array[] = [];
    while (reader.remaining > 1) witness.push(item());
    const spend = creditAndSpend(scriptPubKey, scriptSig, witness, 1);
    const error = interpret(spend, 0, flags);
    const straight = verifyTransaction(spend.table, spend.prevouts, flags)?.error;
    if (error !== straight) throw new Error(`interpreter ${error}, verify-inputs ${straight}`);
  },
};
