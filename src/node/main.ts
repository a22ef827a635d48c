/**
 * The composition root of the ledger process: opens every part in order, hands each what it needs, and closes
 * them in reverse. Nothing else creates parts.
 */

import { unixTime } from "#base/lib/clock.ts";
import { secureRandom } from "#base/lib/random.ts";
import { DirectoryLock } from "#base/store/directory-lock.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { ALL_METHODS } from "#doors/rpc/all-methods.ts";
import type { NodeControl, RpcContext } from "#doors/rpc/context.ts";
import { RpcDispatcher } from "#doors/rpc/dispatcher.ts";
import { ChainState } from "#ledger/chain/chain-state.ts";
import { BlockStatus } from "#ledger/chain/header-node.ts";
import { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import { Mempool } from "#ledger/mempool/mempool.ts";
import {
  type MempoolOptions,
  whyImpossible as whyMempoolImpossible,
} from "#ledger/mempool/mempool-options.ts";
import { loadMempool, saveMempool } from "#ledger/mempool/persist-mempool.ts";
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
import { type DataPaths, dataPaths, makeDataDirectories } from "#node/config/data-directory.ts";
import { ConfigError, type Settings } from "#node/config/settings.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { VersionbitsCache } from "#protocol/consensus/versionbits.ts";
import { feeRatePerKvb } from "#protocol/policy/fee-rate.ts";
import { importPaths } from "./import-paths.ts";
import { NodeClock } from "./node-clock.ts";
import { Notifier } from "./notify.ts";
import { openDebugLog } from "./open-debug-log.ts";
import { openRpcServer } from "./open-rpc-server.ts";
import { writePidFile } from "./pid-file.ts";
import { CLIENT_VERSION, PROTOCOL_VERSION, VERSION } from "./version.ts";
import { wire } from "./wiring.ts";

/** A node that runs. */
export interface RunningNode {
  readonly paths: DataPaths;
  /** Port of RPC, undefined with -server=0. */
  readonly rpcPort: number | undefined;
  /** Settles when the node has come to its end: with the error that ended it, or without one. */
  readonly ended: Promise<Error | undefined>;
  /** Asks it to end; {@link ended} tells when it has. */
  stop(): void;
}

/**
 * Starts a node and returns once its doors are open; blocks of the disk may still be coming in.
 * @throws ConfigError, ChainError, DirectoryLockedError … with a text for the user.
 */
export async function startNode(
  settings: Settings,
  network: Network,
  dataDirectory: string,
): Promise<RunningNode> {
  const stack = new AsyncDisposableStack();
  try {
    return await assemble(settings, network, dataDirectory, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function assemble(
  settings: Settings,
  network: Network,
  dataDirectory: string,
  stack: AsyncDisposableStack,
): Promise<RunningNode> {
  const startTime = Math.floor(Date.now() / 1000);
  const mempoolOptions = readMempoolOptions(settings, network);
  const templateOptions = readTemplateOptions(settings);
  const chainOptions = chainSettings(settings);
  const peerOptions = peerSettings(settings, network);
  const random = secureRandom;
  const disk = nodeDisk;
  const files = disk.files;

  const clock = new NodeClock();
  clock.setMockTime(settings.integer("mocktime", 0));
  const now = () => unixTime(clock);

  const paths = dataPaths(settings, dataDirectory, network);
  makeDataDirectories(paths);
  const lock = DirectoryLock.acquire(paths.network, "Freehold");
  stack.defer(() => lock.release());
  const log = openDebugLog(settings, paths, clock);
  stack.defer(() => log.close());
  stack.defer(await writePidFile(paths.pid));
  log.info(`Freehold version v${VERSION}`);
  for (const line of settings.describe()) log.info(line);
  for (const warning of settings.warnings) log.warn(warning);

  const end = new Ending();
  const fatal = (error: Error) => {
    log.error(error.message);
    end.because(error);
  };
  const notifier = new Notifier(
    {
      block: settings.string("blocknotify"),
      startup: settings.string("startupnotify"),
      shutdown: settings.string("shutdownnotify"),
    },
    log,
  );

  // The RPC door opens first and answers that the node is starting.
  const context: { current: RpcContext | undefined } = { current: undefined };
  const dispatcher = new RpcDispatcher(lateContext(context), ALL_METHODS);
  const rpc = await openRpcServer(settings, network, paths, { dispatcher, log });
  if (rpc !== undefined) stack.defer(() => rpc.close());

  dispatcher.warmup = "Loading block index…";
  const chain = await ChainState.open(
    { ...chainOptions, network, dataDir: paths.network, blocksDir: paths.blocks },
    { clock, random, log, disk, fatal, stop: () => end.because(undefined) },
  );
  stack.defer(() => chain.close());

  dispatcher.warmup = "Loading wallet…";
  const versionbits = new VersionbitsCache(network);
  const mempool = new Mempool(mempoolOptions, { random, now, log });
  const acceptor = new MempoolAcceptor({ mempool, chain, log, now });
  const peers = await PeerManager.open(
    { ...peerOptions, version: VERSION, directory: paths.network, pruned: false },
    { chain, mempool, acceptor, clock, random, log, files, sockets: tcpSockets },
  );
  wire({ chain, acceptor, peers, notifier });

  let lastTemplate: BlockTemplate | undefined;
  const generate: GenerateDependencies = {
    chain: miningChainOf(chain, now),
    mempool,
    versionbits,
    submitter: chain,
    options: templateOptions,
    made: (template) => {
      lastTemplate = template;
    },
    stopped: () => end.asked,
  };
  const templates = new BlockTemplates(templateOptions, { ...generate, clock, tipMoved: chain.updated });
  const node: NodeControl = {
    startTime,
    clientVersion: CLIENT_VERSION,
    protocolVersion: PROTOCOL_VERSION,
    pruneTarget: undefined,
    relayFee: mempoolOptions.minRelayFee.fee,
    incrementalFee: mempoolOptions.incrementalRelayFee.fee,
    warnings: () => peers.warnings,
    shutdown: () => end.because(undefined),
  };
  context.current = {
    network,
    clock,
    log,
    chain,
    versionbits,
    mempool,
    acceptor,
    mining: { generate, templates, lastTemplate: () => lastTemplate },
    peers,
    node,
    methods: () => dispatcher.methods,
    activeCalls: () => dispatcher.active,
  };

  stack.defer(() => notifier.stopping());
  const importing = takeInStoredBlocks();
  // Whatever still comes in from disk ends before the chain is closed.
  stack.defer(() => importing);
  await peers.start();
  stack.defer(() => peers.stop());
  dispatcher.warmup = undefined;
  log.info("Done loading");
  notifier.started();

  return {
    paths,
    rpcPort: rpc?.port,
    ended: end.promise.then(async (error) => {
      log.info("Shutdown in progress...");
      rpc?.refuseNew();
      await stack.disposeAsync();
      return error;
    }),
    stop: () => end.because(undefined),
  };

  /** Blocks of -reindex and -loadblock, then the saved mempool; getmempoolinfo.loaded tells the end of both. */
  async function takeInStoredBlocks(): Promise<void> {
    try {
      await chain.importBlocks(await importPaths(settings, files, log));
      if (settings.boolean("stopafterblockimport", false)) {
        log.info("Stopping after block import");
        end.because(undefined);
        return;
      }
      const persistence = { files, random, log, now };
      if (settings.boolean("persistmempool", true)) {
        await loadMempool(acceptor, paths.mempool, persistence, { interrupted: () => end.asked });
        stack.defer(async () => {
          if (!mempool.loaded) return;
          const version1 = settings.boolean("persistmempoolv1", false);
          await saveMempool(mempool, paths.mempool, persistence, { version1 }).catch((error: Error) => {
            log.warn(`Failed to dump mempool: ${error.message}. Continuing anyway.`);
          });
        });
      }
      mempool.loaded = !end.asked;
    } catch (error) {
      if (!end.asked) fatal(error as Error);
    }
  }
}

/** The end of the node: asked for once, by a signal, a method, or a failure. */
class Ending {
  asked = false;
  readonly promise: Promise<Error | undefined>;
  #resolve!: (error: Error | undefined) => void;

  constructor() {
    this.promise = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  because(error: Error | undefined): void {
    this.asked = true;
    this.#resolve(error);
  }
}

/** The RPC context, which is whole only after start-up; until then the dispatcher lets no method run. */
function lateContext(holder: { current: RpcContext | undefined }): RpcContext {
  return new Proxy({} as RpcContext, {
    get: (_target, name) => {
      if (holder.current === undefined) throw new Error("an RPC method ran before the node was started");
      return holder.current[name as keyof RpcContext];
    },
  });
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
