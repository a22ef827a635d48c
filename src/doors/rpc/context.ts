/** What RPC methods work with. node/ fills it; each method takes what it needs. */
import type { Clock } from "#base/lib/clock.ts";
import type { LogCategory, Logger } from "#base/lib/logger.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import type { FeeEstimator } from "#ledger/mempool/fee-estimator.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { BlockTemplates } from "#ledger/mining/block-templates.ts";
import type { GenerateDependencies } from "#ledger/mining/generate.ts";
import type { BlockTemplate } from "#ledger/mining/template.ts";
import type { PeerControl } from "#ledger/peers/peer-control.ts";
import type { WalletManager } from "#money/wallet/wallet-manager.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { VersionbitsCache } from "#protocol/consensus/versionbits.ts";
import type { ActiveCall } from "./dispatcher.ts";
import type { RpcMethod } from "./method.ts";

export interface RpcContext {
  readonly network: Network;
  readonly clock: NodeClock;
  readonly log: LogControl;
  readonly chain: ChainState;
  readonly versionbits: VersionbitsCache;
  readonly mempool: Mempool;
  readonly acceptor: MempoolAcceptor;
  /** What it takes to be mined in time. */
  readonly fees: FeeEstimator;
  readonly mining: MiningContext;
  /** Undefined when the node takes part in no p2p network. */
  readonly peers: PeerControl | undefined;
  /** Undefined with -disablewallet: the wallet's methods are not there then. */
  readonly wallets?: WalletManager | undefined;
  readonly node: NodeControl;
  /** The methods there are, for help. */
  readonly methods: () => ReadonlyMap<string, RpcMethod<RpcContext>>;
  readonly activeCalls: () => readonly ActiveCall[];
}

export interface MiningContext {
  readonly generate: GenerateDependencies;
  readonly templates: BlockTemplates;
  /** The last template that was made, for whoever. */
  readonly lastTemplate: () => BlockTemplate | undefined;
}

/** The node's clock: `setmocktime` stops it at a time of the caller's choice. */
export interface NodeClock extends Clock {
  /** Seconds since 1970, 0 to go back to the machine's clock. */
  setMockTime(seconds: number): void;
  /** Runs what waits for a time up to `seconds` from now, at once (mockscheduler). */
  advanceScheduler(seconds: number): void;
}

/** The debug log: what goes in, and where it is. */
export interface LogControl extends Logger {
  readonly path: string | undefined;
  isOn(category: LogCategory): boolean;
  /** Switches a category on or off; all with `all`. False when there is no such category. */
  switch(category: string, on: boolean): boolean;
}

/** What a method may ask of the program as a whole. */
export interface NodeControl {
  /** Whole seconds since the start, whatever happens to the machine's clock. */
  uptime(): number;
  /** 290000 for 29.0.0, the version that old clients know. */
  readonly clientVersion: number;
  readonly protocolVersion: number;
  /** Set with -pruned chains; `undefined` when blocks are kept. */
  readonly pruneTarget: number | undefined;
  readonly relayFee: number;
  readonly incrementalFee: number;
  /** Highest fee rate in satoshi per kvB that sendrawtransaction lets through unless told. */
  readonly warnings: () => readonly string[];
  /** Ends the program in order; the reply of `stop` is sent first. */
  shutdown(): void;
}
