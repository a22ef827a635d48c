/**
 * The networks that Bitcoin Core v31 knows, value for value (kernel/chainparams.cpp, chainparamsbase.cpp).
 * A custom one is read from JSON by custom-network.ts.
 */
import { sha256d } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { hex, toHex } from "#base/lib/bytes.ts";
import { COIN } from "./amount.ts";
import { buildGenesis, SATOSHI_MESSAGE, SATOSHI_SCRIPT } from "./genesis.ts";
import type { ConsensusRules, Network, VersionbitsDeployment } from "./network.ts";
import { ALWAYS_ACTIVE, NEVER_ACTIVE, NO_TIMEOUT, NO_WORK, TEST_ADDRESSES } from "./network-defaults.ts";

export { networkFromJson } from "./custom-network.ts";
export { ALWAYS_ACTIVE, NEVER_ACTIVE, NO_TIMEOUT };

const FOURTEEN_DAYS = 14 * 24 * 60 * 60;
const MAIN_POW_LIMIT = "00000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/** Bits of script flags (consensus/script-flags.ts) that an exception block keeps. */
const VERIFY_NONE = 0;
const VERIFY_P2SH_WITNESS = (1 << 0) | (1 << 11);

/** Periods of 2,016 blocks; `threshold` is 1,815 (90%) on main and signet, 1,512 (75%) on testnets. */
function neverDummy(threshold: number): VersionbitsDeployment {
  return {
    bit: 28,
    startTime: NEVER_ACTIVE,
    timeout: NO_TIMEOUT,
    minActivationHeight: 0,
    period: 2016,
    threshold,
  };
}

function alwaysTaproot(period: number, threshold: number): VersionbitsDeployment {
  return { bit: 2, startTime: ALWAYS_ACTIVE, timeout: NO_TIMEOUT, minActivationHeight: 0, period, threshold };
}

/** Where the rules of all networks agree with main's. */
const COMMON = {
  powAllowMinDifficultyBlocks: false,
  powNoRetargeting: false,
  enforceBip94: false,
  powTargetSpacing: 600,
  powTargetTimespan: FOURTEEN_DAYS,
  subsidyHalvingInterval: 210_000,
  initialSubsidy: 50 * COIN,
  bip34Hash: "",
  scriptFlagExceptions: {},
  bip30Exceptions: {},
  minBip9WarningHeight: 0,
  signetChallenge: undefined,
} as const;

/** Heights of the networks that were born with the buried deployments. */
const FROM_BLOCK_1 = { bip34Height: 1, bip65Height: 1, bip66Height: 1, csvHeight: 1, segwitHeight: 1 };

/** The network on which people trade. */
export const main: Network = {
  name: "main",
  folder: "",
  magic: hex("f9beb4d9"),
  p2pPort: 8333,
  rpcPort: 8332,
  onionPort: 8334,
  genesis: buildGenesis({
    message: SATOSHI_MESSAGE,
    script: SATOSHI_SCRIPT,
    version: 1,
    time: 1231006505,
    bits: 0x1d00_ffff,
    nonce: 2083236893,
    reward: 50 * COIN,
  }),
  addresses: {
    pubkeyHash: 0,
    scriptHash: 5,
    secretKey: 128,
    extendedPublic: 0x0488_b21e,
    extendedPrivate: 0x0488_ade4,
    bech32: "bc",
  },
  consensus: {
    ...COMMON,
    powLimit: MAIN_POW_LIMIT,
    bip34Height: 227_931,
    bip34Hash: "000000000000024b89b42a942fe0d9fea3bb44ab7bd1b19115dd6a759c0808b8",
    bip65Height: 388_381,
    bip66Height: 363_725,
    csvHeight: 419_328,
    segwitHeight: 481_824,
    scriptFlagExceptions: {
      // BIP16: spends a P2SH output whose redeem script fails.
      "00000000000002dc756eebf4f49723ed8d30cc28a5f108eb94b1ba88ac4f9c22": VERIFY_NONE,
      // Taproot: spends a witness v1 output by the rules from before.
      "0000000000000000000f14c35b2d841e986ab5441de8c585d5ffe55ea1e395ad": VERIFY_P2SH_WITNESS,
    },
    bip30Exceptions: {
      91842: "00000000000a4d0a398161ffc163c503763b1f4360639393e0e4c8e300e0caec",
      91880: "00000000000743f190a18c5577a3c2d2a1f610ae9601ac046a38084ccb7cd721",
    },
    deployments: {
      testdummy: neverDummy(1815),
      taproot: {
        bit: 2,
        startTime: 1619222400,
        timeout: 1628640000,
        minActivationHeight: 709_632,
        period: 2016,
        threshold: 1815,
      },
    },
    // Taproot's activation and one period.
    minBip9WarningHeight: 711_648,
  },
  dnsSeeds: [
    "seed.bitcoin.sipa.be.",
    "dnsseed.bluematt.me.",
    "seed.bitcoin.jonasschnelli.ch.",
    "seed.btc.petertodd.net.",
    "seed.bitcoin.sprovoost.nl.",
    "dnsseed.emzy.de.",
    "seed.bitcoin.wiz.biz.",
    "seed.mainnet.achownodes.xyz.",
  ],
  minimumChainWork: "0000000000000000000000000000000000000001128750f82f4c366153a3a030",
  // Height 938,343.
  assumeValid: "00000000000000000000ccebd6d74d9194d8dcdc1d177c478e094bfad51ba5ac",
  mineBlocksOnDemand: false,
  acceptNonStandard: false,
};

/** The third test network; deprecated, and kept for its blocks. */
export const testnet3: Network = {
  name: "test",
  folder: "testnet3",
  magic: hex("0b110907"),
  p2pPort: 18333,
  rpcPort: 18332,
  onionPort: 18334,
  genesis: buildGenesis({
    message: SATOSHI_MESSAGE,
    script: SATOSHI_SCRIPT,
    version: 1,
    time: 1296688602,
    bits: 0x1d00_ffff,
    nonce: 414098458,
    reward: 50 * COIN,
  }),
  addresses: TEST_ADDRESSES,
  consensus: {
    ...COMMON,
    powLimit: MAIN_POW_LIMIT,
    powAllowMinDifficultyBlocks: true,
    bip34Height: 21_111,
    bip34Hash: "0000000023b3a96d3484e5abb3755c413e7d41500f8e2a5c3f0dd01299cd8ef8",
    bip65Height: 581_885,
    bip66Height: 330_776,
    csvHeight: 770_112,
    segwitHeight: 834_624,
    scriptFlagExceptions: {
      "00000000dd30457c001f4095d208cc1296b0eed002427aa599874af7a432b105": VERIFY_NONE,
    },
    deployments: {
      testdummy: neverDummy(1512),
      taproot: {
        bit: 2,
        startTime: 1619222400,
        timeout: 1628640000,
        minActivationHeight: 0,
        period: 2016,
        threshold: 1512,
      },
    },
    // Taproot's activation and one period.
    minBip9WarningHeight: 2_013_984,
  },
  dnsSeeds: [
    "testnet-seed.bitcoin.jonasschnelli.ch.",
    "seed.tbtc.petertodd.net.",
    "seed.testnet.bitcoin.sprovoost.nl.",
    "testnet-seed.bluematt.me.",
    "seed.testnet.achownodes.xyz.",
  ],
  minimumChainWork: "0000000000000000000000000000000000000000000017dde1c649f3708d14b6",
  // Height 4,842,348.
  assumeValid: "000000007a61e4230b28ac5cb6b5e5a0130de37ac1faf2f8987d2fa6505b67f4",
  mineBlocksOnDemand: false,
  acceptNonStandard: false,
};

/** The fourth test network (BIP94). */
export const testnet4: Network = {
  name: "testnet4",
  folder: "testnet4",
  magic: hex("1c163f28"),
  p2pPort: 48333,
  rpcPort: 48332,
  onionPort: 48334,
  genesis: buildGenesis({
    message: "03/May/2024 000000000000000000001ebd58c244970b3aa9d783bb001011fbe8ea8e98e00e",
    script: hex(`21${"00".repeat(33)}ac`),
    version: 1,
    time: 1714777860,
    bits: 0x1d00_ffff,
    nonce: 393743547,
    reward: 50 * COIN,
  }),
  addresses: TEST_ADDRESSES,
  consensus: {
    ...COMMON,
    ...FROM_BLOCK_1,
    powLimit: MAIN_POW_LIMIT,
    powAllowMinDifficultyBlocks: true,
    enforceBip94: true,
    deployments: { testdummy: neverDummy(1512), taproot: alwaysTaproot(2016, 1512) },
  },
  dnsSeeds: ["seed.testnet4.bitcoin.sprovoost.nl.", "seed.testnet4.wiz.biz."],
  minimumChainWork: "0000000000000000000000000000000000000000000009a0fe15d0177d086304",
  // Height 123,613.
  assumeValid: "0000000002368b1e4ee27e2e85676ae6f9f9e69579b29093e9a82c170bf7cf8a",
  mineBlocksOnDemand: false,
  acceptNonStandard: false,
};

/** Challenge of the signet that everybody means by the name: 1 of 2. */
export const DEFAULT_SIGNET_CHALLENGE: Uint8Array = hex(
  "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae",
);

/**
 * The signet of a challenge script (BIP325), the default one without. Its magic is the start of the challenge's
 * hash, so signets never meet; a custom one assumes nothing about work or valid blocks.
 */
export function signet(challenge?: Uint8Array): Network {
  const script = challenge ?? DEFAULT_SIGNET_CHALLENGE;
  const isDefault = challenge === undefined;
  return {
    name: "signet",
    folder: "signet",
    magic: sha256d(new ByteWriter().varBytes(script).finish()).slice(0, 4),
    p2pPort: 38333,
    rpcPort: 38332,
    onionPort: 38334,
    genesis: buildGenesis({
      message: SATOSHI_MESSAGE,
      script: SATOSHI_SCRIPT,
      version: 1,
      time: 1598918400,
      bits: 0x1e03_77ae,
      nonce: 52613770,
      reward: 50 * COIN,
    }),
    addresses: TEST_ADDRESSES,
    consensus: {
      ...COMMON,
      ...FROM_BLOCK_1,
      powLimit: "00000377ae000000000000000000000000000000000000000000000000000000",
      deployments: { testdummy: neverDummy(1815), taproot: alwaysTaproot(2016, 1815) },
      signetChallenge: toHex(script),
    },
    dnsSeeds: isDefault ? ["seed.signet.bitcoin.sprovoost.nl.", "seed.signet.achownodes.xyz."] : [],
    minimumChainWork: isDefault
      ? "00000000000000000000000000000000000000000000000000000b463ea0a4b8"
      : NO_WORK,
    // Height 293,175.
    assumeValid: isDefault ? "00000008414aab61092ef93f1aacc54cf9e9f16af29ddad493b908a01ff5c329" : undefined,
    mineBlocksOnDemand: false,
    acceptNonStandard: false,
  };
}

/** What Core lets a test change on regtest. */
export interface RegtestOptions {
  /** `-testactivationheight=name@height`: first height of a buried deployment. */
  readonly activationHeights?: Readonly<Partial<Record<BuriedName, number>>>;
  /** `-vbparams=deployment:start:end[:min_activation_height]` by deployment. */
  readonly deployments?: Readonly<Record<string, Partial<VersionbitsDeployment>>>;
  /** `-test=bip94`: testnet4's timewarp and retarget rules. */
  readonly enforceBip94?: boolean;
}

/** Core's names of the buried deployments in `-testactivationheight`, and the rule each sets. */
export const BURIED_HEIGHTS = {
  segwit: "segwitHeight",
  bip34: "bip34Height",
  dersig: "bip66Height",
  cltv: "bip65Height",
  csv: "csvHeight",
} as const satisfies Record<string, keyof ConsensusRules>;

export type BuriedName = keyof typeof BURIED_HEIGHTS;

/** The network of tests: blocks cost nothing, and nothing retargets. */
export function regtest(options: RegtestOptions = {}): Network {
  const heights: Partial<Record<(typeof BURIED_HEIGHTS)[BuriedName], number>> = {};
  for (const [name, height] of Object.entries(options.activationHeights ?? {})) {
    heights[BURIED_HEIGHTS[name as BuriedName]] = height;
  }
  const deployments: Record<string, VersionbitsDeployment> = {
    testdummy: { ...neverDummy(108), startTime: 0, period: 144 },
    taproot: alwaysTaproot(144, 108),
  };
  for (const [name, change] of Object.entries(options.deployments ?? {})) {
    const deployment = deployments[name];
    if (deployment !== undefined) deployments[name] = { ...deployment, ...change };
  }
  return {
    name: "regtest",
    folder: "regtest",
    magic: hex("fabfb5da"),
    p2pPort: 18444,
    rpcPort: 18443,
    onionPort: 18445,
    genesis: buildGenesis({
      message: SATOSHI_MESSAGE,
      script: SATOSHI_SCRIPT,
      version: 1,
      time: 1296688602,
      bits: 0x207f_ffff,
      nonce: 2,
      reward: 50 * COIN,
    }),
    addresses: { ...TEST_ADDRESSES, bech32: "bcrt" },
    consensus: {
      ...COMMON,
      ...FROM_BLOCK_1,
      segwitHeight: 0,
      subsidyHalvingInterval: 150,
      powLimit: "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      powAllowMinDifficultyBlocks: true,
      powNoRetargeting: true,
      powTargetTimespan: 24 * 60 * 60,
      enforceBip94: options.enforceBip94 ?? false,
      ...heights,
      deployments,
    },
    dnsSeeds: ["dummySeed.invalid."],
    minimumChainWork: NO_WORK,
    assumeValid: undefined,
    mineBlocksOnDemand: true,
    acceptNonStandard: false,
  };
}
