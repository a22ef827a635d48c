import assert from "node:assert/strict";
import { toHex } from "#base/lib/bytes.ts";
import { networkFromJson, regtest } from "#protocol/bitcoin/networks.ts";
import type { FuzzTarget } from "./fuzz.ts";

const SEED = {
  name: "circle",
  magic: "01020304",
  ports: { p2p: 18555, rpc: 18556, onion: 18557 },
  genesis: { block: toHex(regtest().genesis) },
  addresses: { bech32: "circ", pubkeyHash: 1, extendedPublic: "0488b21e" },
  pow: { limit: `7f${"ff".repeat(31)}`, targetSpacing: 60, targetTimespan: 600, noRetargeting: false },
  subsidy: { initial: 1000, halvingInterval: 500 },
  heights: { bip34: 2, segwit: 0 },
  deployments: { taproot: "always", testdummy: { startTime: 1, timeout: 2 } },
  signetChallenge: "51",
  dnsSeeds: ["seed.example."],
};

/** The genesis block is given and not mined, so that an input costs little. */
export const target: FuzzTarget = {
  name: "network descriptions",
  seeds: [new TextEncoder().encode(JSON.stringify(SEED))],
  run(input) {
    const network = networkFromJson(new TextDecoder().decode(input));
    assert.match(network.folder, /^[a-z][a-z0-9-]*$/);
    assert.equal(network.magic.length, 4);
    const { powTargetSpacing, powTargetTimespan, powLimit } = network.consensus;
    assert.equal(powTargetTimespan % powTargetSpacing, 0);
    assert.match(powLimit, /^[0-9a-f]{64}$/);
  },
};
