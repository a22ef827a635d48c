/**
 * The composition root of the ledger process: opens every part in order, hands each what it needs, and closes
 * them in reverse. Nothing else creates parts.
 */

import { existsSync } from "node:fs";
import { unixTime } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import { DirectoryLock } from "#base/store/directory-lock.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { ALL_METHODS } from "#doors/rpc/all-methods.ts";
import type { NodeControl, RpcContext } from "#doors/rpc/context.ts";
import { RpcDispatcher } from "#doors/rpc/dispatcher.ts";
import { ChainState } from "#ledger/chain/chain-state.ts";
import { refuseForeignDirectory } from "#ledger/chain/data-directory.ts";
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
import { writeDynamicSettings } from "#node/config/dynamic-settings.ts";
import { OPTIONS, WITHOUT_EFFECT } from "#node/config/options.ts";
import type { ReadSettings } from "#node/config/read-settings.ts";
import { ConfigError, type Settings } from "#node/config/settings.ts";
import { CLIENT_VERSION, PROTOCOL_VERSION, VERSION } from "#node/config/version.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { VersionbitsCache } from "#protocol/consensus/versionbits.ts";
import { feeRatePerKvb } from "#protocol/policy/fee-rate.ts";
import { chainWarnings } from "./chain-warnings.ts";
import { firstFailure } from "./first-failure.ts";
import { importPaths } from "./import-paths.ts";
import { loopbackOnly, PROXY_WARNING, wantsProxy } from "./loopback-sockets.ts";
import { NodeClock } from "./node-clock.ts";
import { Notifier } from "./notify.ts";
import { openDebugLog } from "./open-debug-log.ts";
import { openRpcServer } from "./open-rpc-server.ts";
import { writePidFile } from "./pid-file.ts";
import { wire } from "./wiring.ts";

/** A node that runs. */
export interface RunningNode {
  readonly paths: DataPaths;
  /** Port of RPC, undefined with -server=0. */
  readonly rpcPort: number | undefined;
  /** Settles when the node has come to its end: with the error that ended it, or without one. */
  readonly ended: Promise<Error | undefined>;
  /** Asks it to end, for an error or for none; {@link ended} tells when it has. */
  stop(error?: Error): void;
  /** Opens the debug log anew, after somebody moved it away. */
  reopenLog(): void;
}

/**
 * Starts a node and returns once its doors are open; blocks of the disk may still be coming in.
 * @param stopping aborted when the node is to stop, which it may be while it starts
 * @param show tells the user at once, beside the log
 * @throws Error with a text for the user
 */
export async function startNode(
  read: ReadSettings,
  stopping: AbortSignal,
  show: (text: string) => void,
): Promise<RunningNode> {
  const stack = new AsyncDisposableStack();
  try {
    return await assemble(read, { stopping, show, stack });
  } catch (error) {
    // What fails while closing must not hide why.
    await stack.disposeAsync().catch(() => {});
    throw error;
  }
}

interface Assembly {
  readonly stopping: AbortSignal;
  readonly show: (text: string) => void;
  readonly stack: AsyncDisposableStack;
}

async function assemble(read: ReadSettings, { stopping, show, stack }: Assembly): Promise<RunningNode> {
  const { settings, network, folder } = read;
  const started = performance.now();
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

  const paths = dataPaths(settings, folder, network);
  const place = { ...chainOptions, network, dataDir: paths.network, blocksDir: paths.blocks };
  await refuseForeignDirectory(place, disk);
  makeDataDirectories(paths);
  for (const path of [paths.network, paths.blocks]) {
    const lock = DirectoryLock.acquire(path, "Freehold");
    stack.defer(() => lock.release());
  }
  if (paths.settings !== undefined) writeDynamicSettings(paths.settings);
  const log = openDebugLog(settings, paths, clock);
  stack.defer(() => log.close());
  stack.defer(() => log.info("Shutdown done"));
  if (paths.pid !== undefined) stack.defer(await writePidFile(paths.pid));
  logSettings(read, paths, log);

  const end = new Ending(stopping);
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
  const dispatcher = new RpcDispatcher(lateContext(context), ALL_METHODS, log);
  const rpc = await openRpcServer(settings, network, paths, { dispatcher, log, show });
  if (rpc !== undefined) stack.defer(() => rpc.close());

  dispatcher.warmup = "Loading block index…";
  const chain = await ChainState.open(place, {
    clock,
    random,
    log,
    disk,
    fatal,
    stop: () => end.because(undefined),
  });
  stack.defer(() => chain.close());

  dispatcher.warmup = "Loading P2P addresses…";
  const versionbits = new VersionbitsCache(network);
  const mempool = new Mempool(mempoolOptions, { random, now, log });
  const acceptor = new MempoolAcceptor({ mempool, chain, log, now });
  const isHidden = wantsProxy(settings);
  if (isHidden) show(`Warning: ${PROXY_WARNING}`);
  // Peers are asked for nothing while blocks come in from disk.
  let loadingBlocks = true;
  const peers = await PeerManager.open(
    { ...peerOptions, version: VERSION, directory: paths.network, pruned: false },
    {
      chain,
      mempool,
      acceptor,
      clock,
      random,
      log,
      files,
      sockets: isHidden ? loopbackOnly(tcpSockets) : tcpSockets,
      loadingBlocks: () => loadingBlocks,
    },
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
  const warningsOfChain = chainWarnings(chain, versionbits);
  const node: NodeControl = {
    uptime: () => Math.floor((performance.now() - started) / 1000),
    clientVersion: CLIENT_VERSION,
    protocolVersion: PROTOCOL_VERSION,
    pruneTarget: undefined,
    relayFee: mempoolOptions.minRelayFee.fee,
    incrementalFee: mempoolOptions.incrementalRelayFee.fee,
    warnings: () => [...(isHidden ? [PROXY_WARNING] : []), ...warningsOfChain(), ...peers.warnings],
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
  dispatcher.warmup = "Starting network threads…";
  stack.defer(() => peers.stop());
  await peers.start();
  dispatcher.warmup = undefined;
  log.info("Done loading");
  notifier.started();

  return {
    paths,
    rpcPort: rpc?.port,
    ended: end.promise.then(async (error) => {
      log.info("Shutdown in progress...");
      // Calls that run are answered before what they work with is closed.
      await rpc?.drain();
      const failure = await stack.disposeAsync().then(() => undefined, firstFailure);
      return error ?? failure;
    }),
    stop(error) {
      if (error !== undefined) log.error(error.stack ?? error.message);
      end.because(error);
    },
    reopenLog: () => log.reopen(),
  };

  /** Blocks of -reindex and -loadblock, then the saved mempool; getmempoolinfo.loaded tells the end of both. */
  async function takeInStoredBlocks(): Promise<void> {
    try {
      await chain.importBlocks(await importPaths(settings, files, log));
      loadingBlocks = false;
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
  readonly #resolve: (error: Error | undefined) => void;

  constructor(stopping: AbortSignal) {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.promise = promise;
    this.#resolve = resolve;
    stopping.addEventListener("abort", () => this.because(undefined), { once: true });
    if (stopping.aborted) this.because(undefined);
  }

  because(error: Error | undefined): void {
    this.asked = true;
    this.#resolve(error);
  }
}

function logSettings({ settings, config }: ReadSettings, paths: DataPaths, log: Logger): void {
  log.info(`Freehold version v${VERSION}`);
  log.info(`Using data directory ${paths.network}`);
  const isThere = existsSync(config);
  if (config !== "") log.info(`Config file: ${config}${isThere ? "" : " (not found, skipping)"}`);
  for (const line of settings.describe()) log.info(line);
  for (const warning of settings.warnings) log.warn(warning);
  for (const [name, { help }] of Object.entries(OPTIONS)) {
    if (help === WITHOUT_EFFECT && settings.isSet(name) && !settings.isNegated(name)) {
      log.warn(`-${name} has no effect in this version`);
    }
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
