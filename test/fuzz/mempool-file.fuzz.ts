import { type ByteSource, MempoolFileReader, MempoolFileWriter } from "#ledger/mempool/mempool-file.ts";
import type { Txid } from "#protocol/bitcoin/hashes.ts";
import { OP_1 } from "#protocol/bitcoin/opcodes.ts";
import { tableOf } from "#protocol/bitcoin/transaction.ts";
import type { FuzzTarget } from "./fuzz.ts";

function sourceOf(bytes: Uint8Array): ByteSource {
  return {
    read: async (into, position) => {
      const part = bytes.subarray(position, position + into.length);
      into.set(part);
      return part.length;
    },
  };
}

async function seed(key: Uint8Array | undefined): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const writer = new MempoolFileWriter({ write: async (bytes) => void parts.push(bytes.slice()) }, key);
  await writer.open(2);
  for (const witness of [[], [Uint8Array.of(OP_1)]]) {
    const input = {
      txid: new Uint8Array(32).fill(3),
      index: 1,
      script: Uint8Array.of(OP_1),
      sequence: 0,
      witness,
    };
    const outputs = [{ value: 5_000, script: Uint8Array.of(OP_1) }];
    const table = tableOf({ version: 2, inputs: [input], outputs, lockTime: 0 });
    await writer.transaction({ raw: table.bytes, time: 1_700_000_000, feeDelta: -5 });
  }
  await writer.deltas([{ txid: new Uint8Array(32).fill(7) as Txid, feeDelta: 9 }]);
  await writer.unbroadcast([new Uint8Array(32).fill(8) as Txid]);
  await writer.finish();
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** mempool.dat in both versions. */
export const target: FuzzTarget = {
  name: "mempool.dat",
  seeds: [
    await seed(undefined),
    await seed(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)),
    await seed(new Uint8Array(8)),
  ],
  async run(input) {
    const reader = await MempoolFileReader.open(sourceOf(input));
    while ((await reader.nextTransaction()) !== undefined);
    await reader.deltas();
    await reader.unbroadcast();
  },
};
