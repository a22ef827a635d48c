/** Opens the parts of the ledger in their order, each with what it needs, and closes them in reverse. */
import { unixTime } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import type { MiningContext } from "#doors/rpc/context.ts";
import { ChainState } from "#ledger/chain/chain-state.ts";
import { BlockStatus } from "#ledger/chain/header-node.ts";
import { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import type { FeeEstimator } from "#ledger/mempool/fee-estimator.ts";
import { Mempool } from "#ledger/mempool/mempool.ts";
import {
  type MempoolOptions,
  whyImpossible as whyMempoolImpossible,
} from "#ledger/mempool/mempool-options.ts";
import { loadMempool, type PersistDependencies, saveMempool } from "#ledger/mempool/persist-mempool.ts";
import { BlockTemplates } from "#ledger/mining/block-templates.ts";
import type { GenerateDependencies } from "#ledger/mining/generate.ts";
import type { MiningChain } from "#ledger/mining/mining-chain.ts";
import { type BlockTemplate, DEFAULT_TEMPLATE_OPTIONS } from "#ledger/mining/template.ts";
import { whyImpossible as whyTemplateImpossible } from "#ledger/mining/template-options.ts";
import { PeerManager } from "#ledger/peers/peer-manager.ts";
import { tcpSockets } from "#ledger/peers/tcp-sockets.ts";
import {
  chainSettings,
  mempoolSettings,
  miningSettings,
  peerSettings,
} from "#node/config/component-options.ts";
import type { DataPaths } from "#node/config/data-directory.ts";
import { ConfigError, type Settings } from "#node/config/settings.ts";
import { VERSION } from "#node/config/version.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { VersionbitsCache } from "#protocol/consensus/versionbits.ts";
import { feeRatePerKvb } from "#protocol/policy/fee-rate.ts";
import { chainWarnings } from "./chain-warnings.ts";
import type { Ending } from "./ending.ts";
import { importPaths } from "./import-paths.ts";
import { loopbackOnly, PROXY_WARNING, wantsProxy } from "./loopback-sockets.ts";
import type { NodeClock } from "./node-clock.ts";
import { openFees } from "./open-fees.ts";
import { OwnChainSource } from "./own-chain-source.ts";

/** The Bitcoin node: its parts, open and not yet connected to anyone. */
export interface Ledger {
  readonly chain: ChainState;
  readonly versionbits: VersionbitsCache;
  readonly mempool: Mempool;
  readonly acceptor: MempoolAcceptor;
  readonly fees: FeeEstimator;
  readonly peers: PeerManager;
  readonly mining: MiningContext;
  /** The chain behind the wallet. */
  readonly source: OwnChainSource;
  readonly warnings: () => string[];
  /** Blocks of -reindex and -loadblock, then the saved mempool; ends before the chain is closed. */
  takeInStoredBlocks(): void;
}

export interface LedgerDependencies {
  readonly network: Network;
  readonly paths: DataPaths;
  readonly clock: NodeClock;
  readonly log: Logger;
  readonly end: Ending;
  readonly stack: AsyncDisposableStack;
  readonly show: (text: string) => void;
  /** Told what is being done now. */
  readonly doing: (text: string) => void;
}

/** What the ledger's settings say, checked before anything is opened. */
export type LedgerOptions = ReturnType<typeof ledgerOptions>;

/** @throws ConfigError */
export function ledgerOptions(settings: Settings, network: Network) {
  return {
    chain: chainSettings(settings),
    mempool: readMempoolOptions(settings, network),
    template: readTemplateOptions(settings),
    peers: peerSettings(settings, network),
    isHidden: wantsProxy(settings),
  };
}

export async function openLedger(
  settings: Settings,
  options: LedgerOptions,
  parts: LedgerDependencies,
): Promise<Ledger> {
  const { network, paths, clock, log, end, stack, show, doing } = parts;
  const { isHidden } = options;
  const random = secureRandom;
  const disk = nodeDisk;
  const now = () => unixTime(clock);
  const fatal = (error: Error) => {
    log.error(error.message);
    end.because(error);
  };

  doing("Loading block index…");
  const place = { ...options.chain, network, dataDir: paths.network, blocksDir: paths.blocks };
  const chain = await ChainState.open(place, {
    clock,
    random,
    log,
    disk,
    fatal,
    stop: () => end.because(undefined),
  });
  stack.defer(() => chain.close());

  doing("Loading P2P addresses…");
  const versionbits = new VersionbitsCache(network);
  const mempool = new Mempool(options.mempool, { random, now, log });
  const acceptor = new MempoolAcceptor({ mempool, chain, log, now });
  const fees = await openFees(paths.feeEstimates, { files: disk.files, clock, log, stack });
  if (isHidden) show(`Warning: ${PROXY_WARNING}`);
  // Peers are asked for nothing while blocks come in from disk.
  let loadingBlocks = true;
  const peers = await PeerManager.open(
    { ...options.peers, version: VERSION, directory: paths.network, pruned: false },
    {
      chain,
      mempool,
      acceptor,
      clock,
      random,
      log,
      files: disk.files,
      sockets: isHidden ? loopbackOnly(tcpSockets) : tcpSockets,
      loadingBlocks: () => loadingBlocks,
    },
  );

  let lastTemplate: BlockTemplate | undefined;
  const generate: GenerateDependencies = {
    chain: miningChainOf(chain, now),
    mempool,
    versionbits,
    submitter: chain,
    options: options.template,
    made: (template) => {
      lastTemplate = template;
    },
    stopped: () => end.asked,
  };
  const templates = new BlockTemplates(options.template, { ...generate, clock, tipMoved: chain.updated });
  const warningsOfChain = chainWarnings(chain, versionbits);
  return {
    chain,
    versionbits,
    mempool,
    acceptor,
    fees,
    peers,
    mining: { generate, templates, lastTemplate: () => lastTemplate },
    source: new OwnChainSource({ chain, mempool, acceptor, fees, peers, log }),
    warnings: () => [...(isHidden ? [PROXY_WARNING] : []), ...warningsOfChain(), ...peers.warnings],
    takeInStoredBlocks() {
      const persistence = { files: disk.files, random, log, now };
      const persists = settings.boolean("persistmempool", true);
      stack.defer(async () => {
        if (!persists || !mempool.loaded) return;
        const version1 = settings.boolean("persistmempoolv1", false);
        await saveMempool(mempool, paths.mempool, persistence, { version1 }).catch((error: Error) => {
          log.warn(`Failed to dump mempool: ${error.message}. Continuing anyway.`);
        });
      });
      const importing = importStored(persists ? persistence : undefined);
      stack.defer(() => importing);
      // Whatever still comes in from disk would keep the end waiting: it is cut off, also when the start fails.
      stack.defer(() => {
        end.because(undefined);
        chain.interrupt();
      });
    },
  };

  async function importStored(persistence: PersistDependencies | undefined): Promise<void> {
    try {
      await chain.importBlocks(await importPaths(settings, disk.files, log));
      loadingBlocks = false;
      if (settings.boolean("stopafterblockimport", false)) {
        log.info("Stopping after block import");
        end.because(undefined);
        return;
      }
      if (persistence !== undefined) {
        await loadMempool(acceptor, paths.mempool, persistence, { interrupted: () => end.asked });
      }
      mempool.loaded = !end.asked;
    } catch (error) {
      if (!end.asked) fatal(error as Error);
    }
  }
}

/** The chain as mining sees it. */
function miningChainOf(chain: ChainState, now: () => number): MiningChain {
  return {
    network: chain.network,
    lock: chain.lock,
    get tip() {
      return chain.tip;
    },
    now,
    testBlock: (raw, checks) => chain.testBlock(raw, checks),
    header: (hash) => chain.headers.lookup(hash),
    knowledgeOf(hash) {
      const known = chain.headers.lookup(hash);
      if (known === undefined) return undefined;
      if (known.isValid(BlockStatus.VALID_SCRIPTS)) return "valid";
      return known.failed ? "invalid" : "inconclusive";
    },
  };
}

function readMempoolOptions(settings: Settings, network: Network): MempoolOptions {
  const given = mempoolSettings(settings, network);
  const options: MempoolOptions = {
    ...given,
    incrementalRelayFee: feeRatePerKvb(given.incrementalRelayFee),
    minRelayFee: feeRatePerKvb(given.minRelayFee),
    dustRelayFee: feeRatePerKvb(given.dustRelayFee),
  };
  const impossible = whyMempoolImpossible(options);
  if (impossible !== undefined) throw new ConfigError(impossible);
  return options;
}

function readTemplateOptions(settings: Settings) {
  const given = miningSettings(settings);
  const options = { ...DEFAULT_TEMPLATE_OPTIONS, ...given, minFeeRate: feeRatePerKvb(given.minFeeRate) };
  const impossible = whyTemplateImpossible(options);
  if (impossible !== undefined) throw new ConfigError(impossible);
  return options;
}
