import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { equalBytes, hex } from "#base/lib/bytes.ts";
import { COIN } from "#protocol/bitcoin/amount.ts";
import { parseBlock, parseHeader } from "#protocol/bitcoin/block-table.ts";
import { networkFromJson } from "#protocol/bitcoin/custom-network.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { main } from "#protocol/bitcoin/networks.ts";
import { OP_0 } from "#protocol/bitcoin/opcodes.ts";
import { pushNumber } from "#protocol/bitcoin/script.ts";
import { blockHash, hashTxs } from "#protocol/bitcoin/txid.ts";
import { coinbaseOf, encodeBlock, mine } from "../../../test/support/small-block.ts";
import { firstHeader, type TestHeader } from "../../../test/support/test-header.ts";
import { NO_SHARED, sharedVector } from "../../../test/vectors/vectors.ts";
import { checkBlock, contextualCheckBlock, contextualCheckHeader } from "./check-block.ts";
import { nextWorkRequired } from "./pow.ts";

function genesisOf(network: Network): TestHeader {
  const { version, time, bits } = parseHeader(network.genesis);
  return firstHeader({ hash: blockHash(network.genesis), version, time, bits });
}

/** Takes a whole block as the next one, or fails. */
function accept(raw: Uint8Array, prev: TestHeader, network: Network, now: number): TestHeader {
  const block = parseBlock(raw);
  const hashes = hashTxs(block.txs);
  const { version, time, bits, prevHash } = block.header;
  assert.ok(equalBytes(prevHash, prev.hash));
  const refused =
    checkBlock(block, hashes, network) ??
    contextualCheckHeader(block.header, prev, network, now) ??
    contextualCheckBlock(block, hashes, prev, network);
  assert.equal(refused, undefined, `height ${prev.height + 1}: ${refused?.reason}`);
  return prev.next({ hash: blockHash(raw), version, time, bits });
}

const ALTERNATE = sharedVector("core/mainnet_alt.json");
/** What Core's mining_mainnet.py pays to. */
const PAYEE = hex("76a914eadbac7f36c37e39361168b7aaee3cb24a25312d88ac");

test("Core's alternate mainnet: 2,016 mined blocks, two minutes apart, raise the difficulty four times", {
  skip: ALTERNATE === undefined && NO_SHARED,
}, () => {
  const { timestamps, nonces } = JSON.parse(readFileSync(ALTERNATE!, "utf8")) as {
    timestamps: number[];
    nonces: number[];
  };
  assert.equal(timestamps.length, 2016);
  let tip = genesisOf(main);
  for (const [i, time] of timestamps.entries()) {
    const height = i + 1;
    const bits = nextWorkRequired(tip, time, main);
    assert.equal(bits, height < 2016 ? 0x1d00_ffff : 0x1c3f_ffc0, `height ${height}`);
    const coinbase = coinbaseOf(coinbaseScript(height), [{ value: 50 * COIN, script: PAYEE }]);
    const raw = encodeBlock({ version: 0x2000_0000, prevHash: tip.hash, time, bits, txs: [coinbase] });
    new DataView(raw.buffer).setUint32(76, nonces[i]!, true);
    tip = accept(raw, tip, main, time);
  }
  assert.equal(tip.height, 2016);
});

/** As blocktools.py writes it: up to sixteen the height is an opcode, and needs a second byte. */
function coinbaseScript(height: number): Uint8Array {
  const push = pushNumber(height);
  return push.length === 1 ? Uint8Array.of(push[0]!, OP_0) : push;
}

const CUSTOM = JSON.stringify({
  name: "village",
  ports: { p2p: 21_000 },
  addresses: { bech32: "vil" },
  pow: { limit: `00${"f".repeat(62)}`, targetSpacing: 10, targetTimespan: 200 },
  subsidy: { initial: 7, halvingInterval: 30 },
  genesis: { time: 1_700_000_000, message: "a network of our own" },
});

test("a network from JSON mines and retargets", () => {
  const network = networkFromJson(CUSTOM);
  let tip = genesisOf(network);
  const easiest = tip.bits;
  const bitsByPeriod: number[] = [];
  // A second a block in the first period, ten in the second, a minute in the third.
  const steps = [1, 10, 60, 10];
  for (let height = 1; height < 80; height++) {
    const time = tip.time + steps[Math.floor(height / 20)]!;
    const bits = nextWorkRequired(tip, time, network);
    if (height % 20 === 0) bitsByPeriod.push(bits);
    const coinbase = coinbaseOf(Uint8Array.of(...pushNumber(height), OP_0), [{ value: 7, script: PAYEE }]);
    const raw = mine(encodeBlock({ prevHash: tip.hash, time, bits, txs: [coinbase] }), network);
    tip = accept(raw, tip, network, time);
  }
  const ratio = (bits: number) => Number(targetOf(easiest)) / Number(targetOf(bits));
  // Four times at most; 19 steps of 10 s leave the second period all but unchanged, and the third is worth a quarter again.
  assert.deepEqual(
    bitsByPeriod.map((bits) => Math.round(ratio(bits) * 10) / 10),
    [4, 4.2, 1.1],
  );
});

function targetOf(bits: number): bigint {
  return BigInt(bits & 0x7f_ffff) << BigInt(8 * ((bits >>> 24) - 3));
}
