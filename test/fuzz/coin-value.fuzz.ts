import { equalBytes, hex } from "#base/lib/bytes.ts";
import {
  COIN_OVERHEAD,
  CoinReader,
  writeAmount,
  writeScript,
  writeVarint,
} from "#ledger/chain/coin-compression.ts";
import type { FuzzTarget } from "./fuzz.ts";

interface Decoded {
  readonly origin: number;
  readonly amount: number;
  readonly script: Uint8Array;
}

function decode(bytes: Uint8Array): Decoded {
  const reader = new CoinReader();
  reader.load(bytes);
  const origin = reader.varint();
  const amount = reader.amount();
  reader.scriptHeader();
  const script = new Uint8Array(reader.scriptLength);
  reader.script(script, 0);
  reader.end();
  return { origin, amount, script };
}

function encode({ origin, amount, script }: Decoded): Uint8Array {
  const out = new Uint8Array(COIN_OVERHEAD + script.length);
  let end = writeVarint(out, 0, origin);
  end = writeAmount(out, end, amount);
  return out.subarray(0, writeScript(out, end, script, 0, script.length));
}

/** The value of a coin in the database: what decodes must come back the same after another round. */
export const target: FuzzTarget = {
  name: "coin value",
  seeds: [
    hex("97f23c835800816115944e077fe7c803cfa57f29b36bf87c1d35"),
    hex("8ddf77bbd123008c988f1a4a4de2161e0f50aac7f17e7f9555caa4"),
    hex("00000751"),
    hex("8ddf770902" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
    hex("033204" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
    hex("0332285120" + "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
  ],
  run(input) {
    const coin = decode(input);
    const again = decode(encode(coin));
    const same =
      again.origin === coin.origin && again.amount === coin.amount && equalBytes(again.script, coin.script);
    if (!same) throw new Error("the coin changed on the way");
  },
};
