import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256d } from "#base/crypto/sha256.ts";
import { fromHex, hex, toHex, toHexReversed } from "#base/lib/bytes.ts";
import { parseBlock } from "./block-table.ts";
import type { Network } from "./network.ts";
import {
  ALWAYS_ACTIVE,
  DEFAULT_SIGNET_CHALLENGE,
  main,
  NEVER_ACTIVE,
  NO_TIMEOUT,
  regtest,
  signet,
  testnet3,
  testnet4,
} from "./networks.ts";

const ALL: readonly Network[] = [main, testnet3, testnet4, signet(), regtest()];

/** Name, genesis hash, Merkle root, magic, ports: what Core asserts or documents. */
const IDENTITIES: readonly [string, string, string, string, number, number][] = [
  [
    "main",
    "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
    "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
    "f9beb4d9",
    8333,
    8332,
  ],
  [
    "test",
    "000000000933ea01ad0ee984209779baaec3ced90fa3f408719526f8d77f4943",
    "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
    "0b110907",
    18333,
    18332,
  ],
  [
    "testnet4",
    "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043",
    "7aa0a7ae1e223414cb807e40cd57e667b718e42aaf9306db9102fe28912b7b4e",
    "1c163f28",
    48333,
    48332,
  ],
  [
    "signet",
    "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6",
    "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
    "0a03cf40",
    38333,
    38332,
  ],
  [
    "regtest",
    "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206",
    "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b",
    "fabfb5da",
    18444,
    18443,
  ],
];

test("genesis blocks, magic and ports are Core's", () => {
  for (const [i, [name, hash, root, magic, p2p, rpc]] of IDENTITIES.entries()) {
    const network = ALL[i]!;
    const { header, txs } = parseBlock(network.genesis);
    assert.equal(network.name, name);
    assert.equal(toHexReversed(sha256d(network.genesis.subarray(0, 80))), hash);
    assert.equal(toHexReversed(header.merkleRoot), root);
    assert.equal(toHexReversed(sha256d(txs.raw(0))), root);
    assert.equal(toHex(network.magic), magic);
    assert.deepEqual([network.p2pPort, network.rpcPort], [p2p, rpc]);
  }
});

test("every hash of the data is one: 64 lower-case hex digits", () => {
  for (const network of ALL) {
    const { consensus, minimumChainWork, assumeValid } = network;
    const hashes = [
      consensus.powLimit,
      minimumChainWork,
      ...(assumeValid === undefined ? [] : [assumeValid]),
      ...(consensus.bip34Hash === "" ? [] : [consensus.bip34Hash]),
      ...Object.keys(consensus.scriptFlagExceptions),
      ...Object.values(consensus.bip30Exceptions),
    ];
    for (const hash of hashes) assert.match(hash, /^[0-9a-f]{64}$/, network.name);
  }
});

test("a signet's magic comes from its challenge, and it assumes nothing", () => {
  assert.deepEqual(signet(DEFAULT_SIGNET_CHALLENGE).magic, signet().magic);
  const own = signet(hex("51"));
  assert.deepEqual(own.magic, sha256d(hex("0151")).slice(0, 4));
  assert.equal(own.consensus.signetChallenge, "51");
  assert.deepEqual([own.assumeValid, own.minimumChainWork, own.dnsSeeds], [undefined, "0".repeat(64), []]);
  assert.notEqual(signet().assumeValid, undefined);
  assert.deepEqual(fromHex(signet().consensus.signetChallenge!), DEFAULT_SIGNET_CHALLENGE);
});

test("regtest: buried heights, deployments and BIP94 as options say", () => {
  const plain = regtest().consensus;
  assert.deepEqual(
    [plain.segwitHeight, plain.csvHeight, plain.bip34Height, plain.bip65Height, plain.bip66Height],
    [0, 1, 1, 1, 1],
  );
  assert.equal(plain.enforceBip94, false);
  assert.equal(plain.deployments["taproot"]!.startTime, ALWAYS_ACTIVE);
  assert.equal(plain.deployments["testdummy"]!.timeout, NO_TIMEOUT);
  const changed = regtest({
    activationHeights: { segwit: 10, bip34: 11, dersig: 12, cltv: 13, csv: 14 },
    deployments: { testdummy: { startTime: 5, timeout: 6, minActivationHeight: 7 }, unknown: { bit: 1 } },
    enforceBip94: true,
  }).consensus;
  assert.deepEqual(
    [changed.segwitHeight, changed.bip34Height, changed.bip66Height, changed.bip65Height, changed.csvHeight],
    [10, 11, 12, 13, 14],
  );
  assert.deepEqual(changed.deployments["testdummy"], {
    bit: 28,
    startTime: 5,
    timeout: 6,
    minActivationHeight: 7,
    period: 144,
    threshold: 108,
  });
  assert.deepEqual(Object.keys(changed.deployments), ["testdummy", "taproot"]);
  assert.equal(changed.enforceBip94, true);
  // The options of one do not reach the next.
  assert.equal(regtest().consensus.segwitHeight, 0);
});

test("testdummy never starts outside of regtest", () => {
  for (const network of ALL.slice(0, 4)) {
    assert.equal(network.consensus.deployments["testdummy"]!.startTime, NEVER_ACTIVE, network.name);
  }
});
