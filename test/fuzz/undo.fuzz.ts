import { hex, toHex } from "#base/lib/bytes.ts";
import { type BlockUndo, decodeUndo, UndoBuilder } from "#ledger/chain/undo.ts";
import type { FuzzTarget } from "./fuzz.ts";

function encode(undo: BlockUndo): Uint8Array {
  const builder = new UndoBuilder(undo.txCount);
  for (let tx = 0; tx < undo.txCount; tx++) {
    const first = undo.firstCoin[tx]!;
    const end = undo.firstCoin[tx + 1]!;
    builder.transaction(end - first);
    for (let i = first; i < end; i++) {
      const [from, to] = [undo.scriptOffsets[i]!, undo.scriptOffsets[i + 1]!];
      builder.coin(undo.heights[i]!, undo.coinbases[i] === 1, undo.amounts[i]!, undo.scripts, from, to);
    }
  }
  return builder.finish();
}

/** Undo data from a rev file: what decodes must come back the same after another round. */
export const target: FuzzTarget = {
  name: "undo data",
  seeds: [
    hex("00"),
    hex("01018155003200" + "89abcdefabbaabbaabbaabbaabbaabbaabbaabba"),
    hex("020281550032" + "0189abcdefabbaabbaabbaabbaabbaabbaabbaabba" + "0001075100"),
    hex("01010e0009" + "04" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
    hex("0101820a00c053" + "1a5051525354555657585960616263646566676869"),
  ],
  run(input) {
    const undo = decodeUndo(input);
    const again = decodeUndo(encode(undo));
    const same =
      toHex(again.scripts) === toHex(undo.scripts) &&
      again.amounts.join() === undo.amounts.join() &&
      again.heights.join() === undo.heights.join() &&
      again.firstCoin.join() === undo.firstCoin.join() &&
      again.coinbases.join() === undo.coinbases.join();
    if (!same) throw new Error("undo data changed on the way");
  },
};
