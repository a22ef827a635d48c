/**
 * What makes one Bitcoin network differ from another: plain data, so that a custom network is a JSON file.
 * The known networks stand in networks.ts.
 */
export interface Network {
  /** `main`, `test` (testnet3), `testnet4`, `signet`, `regtest`, or a custom name; Core's `chain` in getblockchaininfo. */
  readonly name: string;
  /** Folder under the data directory, empty for main. */
  readonly folder: string;
  /** Four bytes before every p2p message and every block in blk files. */
  readonly magic: Uint8Array;
  readonly p2pPort: number;
  readonly rpcPort: number;
  readonly onionPort: number;
  /** The whole serialised genesis block. */
  readonly genesis: Uint8Array;
  readonly addresses: AddressPrefixes;
  readonly consensus: ConsensusRules;
  /** Host names that lead to the addresses of some nodes, asked where few are known, unless `-dnsseed=0`. */
  readonly dnsSeeds: readonly string[];
  /** Chains with less total work than this are not stored (hex, 32 bytes big-endian, as Core prints it). */
  readonly minimumChainWork: string;
  /** Block up to which scripts are assumed valid (display order hex), or undefined. */
  readonly assumeValid: string | undefined;
  /** As on regtest: the RPCs that set clocks and open connections for tests answer, and `-blockversion` counts. */
  readonly mineBlocksOnDemand: boolean;
  /** What `-acceptnonstdtxn` is unless given: relay transactions that break policy. No network of Core's does. */
  readonly acceptNonStandard: boolean;
}

export interface AddressPrefixes {
  readonly pubkeyHash: number;
  readonly scriptHash: number;
  readonly secretKey: number;
  /** Version of an extended public key, 4 bytes big-endian as a number (0x0488b21e on main). */
  readonly extendedPublic: number;
  readonly extendedPrivate: number;
  readonly bech32: string;
}

export interface ConsensusRules {
  /** Easiest target, hex 32 bytes big-endian. */
  readonly powLimit: string;
  readonly powAllowMinDifficultyBlocks: boolean;
  readonly powNoRetargeting: boolean;
  /** BIP94 (testnet4): retarget from the first block of the period, timewarp rule. */
  readonly enforceBip94: boolean;
  /** Seconds between blocks, and in one retarget period. */
  readonly powTargetSpacing: number;
  readonly powTargetTimespan: number;
  readonly subsidyHalvingInterval: number;
  /** First subsidy in satoshi. */
  readonly initialSubsidy: number;
  /** Heights from which the buried deployments hold. */
  readonly bip34Height: number;
  /** Hash of the block at bip34Height in display order, or empty: on its chain BIP30 is not checked until 1,983,702. */
  readonly bip34Hash: string;
  readonly bip65Height: number;
  readonly bip66Height: number;
  readonly csvHeight: number;
  readonly segwitHeight: number;
  /** Blocks that break BIP16 or taproot, by hash (display order): the script flags that hold in them instead. */
  readonly scriptFlagExceptions: Readonly<Record<string, number>>;
  /** Blocks (display hash) that may overwrite unspent coinbases: BIP30's two exceptions, by height. */
  readonly bip30Exceptions: Readonly<Record<number, string>>;
  readonly deployments: Readonly<Record<string, VersionbitsDeployment>>;
  /** Height below which signals are those of known deployments, and no warning's cause (Core: MinBIP9WarningHeight). */
  readonly minBip9WarningHeight: number;
  /** Signet's challenge script in hex, or undefined where blocks need no signature. */
  readonly signetChallenge: string | undefined;
}

/** A BIP9 deployment with BIP341's minimum height. */
export interface VersionbitsDeployment {
  readonly bit: number;
  /** Median time past; −1 always active, −2 never active (Core's NO_TIMEOUT is Number.MAX_SAFE_INTEGER). */
  readonly startTime: number;
  readonly timeout: number;
  readonly minActivationHeight: number;
  readonly period: number;
  readonly threshold: number;
}
