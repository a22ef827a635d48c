import { equalBytes } from "#base/lib/bytes.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { encodePsbt, readPsbt } from "#money/wallet/psbt.ts";
import { decodeSeedRecord, encodeSeedRecord, sealSeed } from "#money/wallet/seed-record.ts";
import { decodeEvent, encodeEvent } from "#money/wallet/wallet-events.ts";
import { decodeLog, WalletLog } from "#money/wallet/wallet-log.ts";
import { payToWitness } from "#protocol/bitcoin/address.ts";
import type { FuzzTarget } from "./fuzz.ts";

const random = new SeededRandom(1);
const KEY = new Uint8Array(32).fill(3);
const HASH = "ab".repeat(32);

const record = encodeSeedRecord(
  await sealSeed(
    new Uint8Array(32),
    {
      revision: 1,
      network: new Uint8Array(4),
      created: null,
      birthday: 0,
      fingerprint: new Uint8Array(4),
      accounts: [{ type: "bech32", xpub: "tpub" }],
      logKey: KEY,
    },
    "secret",
    { random, cost: { n: 2, r: 1, p: 1 } },
  ),
);

const events = [
  encodeEvent({ k: "given", chain: 0, index: 7, label: "rent" }),
  encodeEvent({ k: "tip", height: 5, hash: HASH, time: 6 }),
  encodeEvent({ k: "fork", height: -1 }),
  encodeEvent({ k: "abandoned", txid: HASH }),
];

async function logFile(): Promise<Uint8Array> {
  const { files } = new FaultWorld();
  await files.makeDirectory("/w");
  const { log } = await WalletLog.open({ files, folder: "/w", key: KEY, random, log: silentLogger });
  await log.begin(events);
  await log.append(...events);
  await log.close();
  return files.readFile("/w/log.1");
}

const script = payToWitness(0, new Uint8Array(20).fill(7));
const own = {
  chain: { type: "bech32", path: [0x8000_0054, 0x8000_0001, 0x8000_0000, 0] },
  index: 0,
  script,
  publicKey: Uint8Array.from([2, ...new Array<number>(32).fill(9)]),
};

/** Tells the kinds of input apart, so that one target mutates them all. */
const KIND = { record: 0, log: 1, event: 2, psbt: 3 } as const;
const tagged = (kind: number, bytes: Uint8Array) => Uint8Array.from([kind, ...bytes]);

const psbt = encodePsbt({
  // A taproot input needs no parent: the outpoint may be any.
  inputs: [],
  outputs: [{ script, amount: 5, own: own as never }],
  lockTime: 1,
  fingerprint: new Uint8Array(4),
});

/** What a wallet reads back from disk, and PSBTs from whoever: refused by a value, whatever the bytes. */
export const target: FuzzTarget = {
  name: "wallet files and PSBTs",
  seeds: [
    tagged(KIND.record, record),
    tagged(KIND.log, await logFile()),
    ...events.map((event) => tagged(KIND.event, event)),
    tagged(KIND.psbt, psbt),
  ],
  run(input) {
    const bytes = input.subarray(1);
    switch ((input[0] ?? 0) % 4) {
      case KIND.record: {
        const read = decodeSeedRecord(bytes);
        if (read !== undefined && !equalBytes(encodeSeedRecord(read), bytes))
          throw new Error("changed on the way");
        break;
      }
      case KIND.log:
        decodeLog(bytes, KEY);
        break;
      case KIND.event:
        decodeEvent(bytes);
        break;
      default:
        readPsbt(bytes);
    }
  },
};
