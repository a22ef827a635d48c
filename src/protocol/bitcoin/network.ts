/**
 * What makes one Bitcoin network differ from another: plain data, so that a custom network is a JSON file.
 * The known networks stand in networks.ts.
 */
export interface Network {
  /** `main`, `test4`, `signet`, `regtest`, or a custom name; Core's `chain` in getblockchaininfo. */
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
  /** DNS seeds; ours never queries them unless told to. */
  readonly dnsSeeds: readonly string[];
  /** Chains with less total work than this are not stored (hex, 32 bytes big-endian, as Core prints it). */
  readonly minimumChainWork: string;
  /** Block up to which scripts are assumed valid (display order hex), or undefined. */
  readonly assumeValid: string | undefined;
  /** Blocks after which Core prunes first, and the size guesses of Core; informational. */
  readonly mineBlocksOnDemand: boolean;
  /** Non-standard transactions are relayed by default (regtest no longer does in Core v31; custom networks may). */
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
  /** Hash of the block at bip34Height in display order, or empty: with it BIP30 is skipped until 1,983,702. */
  readonly bip34Hash: string;
  readonly bip65Height: number;
  readonly bip66Height: number;
  readonly csvHeight: number;
  readonly segwitHeight: number;
  /** Block from which BIP16 may be broken once, and the like: script flags by block hash (display order). */
  readonly scriptFlagExceptions: Readonly<Record<string, number>>;
  /** Blocks (display hash) that may overwrite unspent coinbases: BIP30's two exceptions, by height. */
  readonly bip30Exceptions: Readonly<Record<number, string>>;
  readonly deployments: Readonly<Record<string, VersionbitsDeployment>>;
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
