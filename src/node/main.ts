/**
 * The composition root of the ledger's process: opens every part in order, hands each what it needs, and closes them
 * in reverse. Nothing else creates parts. The sharing process has its own (sharing.ts).
 */

import { existsSync } from "node:fs";
import type { Logger } from "#base/lib/logger.ts";
import { DirectoryLock } from "#base/store/directory-lock.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { ALL_METHODS } from "#doors/rpc/all-methods.ts";
import type { NodeControl, RpcContext } from "#doors/rpc/context.ts";
import { RpcDispatcher } from "#doors/rpc/dispatcher.ts";
import { RPC_CODE, RpcError } from "#doors/rpc/rpc-error.ts";
import { refuseForeignDirectory } from "#ledger/chain/data-directory.ts";
import { type DataPaths, dataPaths, makeDataDirectories } from "#node/config/data-directory.ts";
import { writeDynamicSettings } from "#node/config/dynamic-settings.ts";
import { OPTIONS, WITHOUT_EFFECT } from "#node/config/options.ts";
import type { ReadSettings } from "#node/config/read-settings.ts";
import { apiPort, ledgerChoice, wantsSharing } from "#node/config/sharing-options.ts";
import { CLIENT_VERSION, PROTOCOL_VERSION, VERSION } from "#node/config/version.ts";
import { Ending } from "./ending.ts";
import { firstFailure } from "./first-failure.ts";
import { NoChainSource } from "./no-chain-source.ts";
import { NodeClock } from "./node-clock.ts";
import { Notifier } from "./notify.ts";
import { openDebugLog } from "./open-debug-log.ts";
import { type Ledger, ledgerOptions, openLedger } from "./open-ledger.ts";
import { openRpcServer } from "./open-rpc-server.ts";
import type { ServiceParts } from "./open-services.ts";
import { openWallets, walletFolder } from "./open-wallets.ts";
import { keepToOwner } from "./owner-only.ts";
import { writePidFile } from "./pid-file.ts";
import { wireLedger } from "./wiring.ts";

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
  const options = ledgerOptions(settings, network);
  const hasChain = ledgerChoice(settings) === "own";
  const clock = new NodeClock();
  clock.setMockTime(settings.integer("mocktime", 0));

  const paths = dataPaths(settings, folder, network);
  const place = { ...options.chain, network, dataDir: paths.network, blocksDir: paths.blocks };
  await refuseForeignDirectory(place, nodeDisk);
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
  const secrets = { ...paths, wallets: walletFolder(settings, paths) };
  const named = secrets.wallets !== paths.wallets;
  await keepToOwner({ ...secrets, named }, nodeDisk.files, (text) => log.warn(text));
  const end = new Ending(stopping);
  const notifier = new Notifier(
    {
      block: settings.string("blocknotify"),
      startup: settings.string("startupnotify"),
      shutdown: settings.string("shutdownnotify"),
    },
    log,
  );

  // The RPC door opens first and answers that the node is starting.
  const context: { current: LateContext | undefined } = { current: undefined };
  const dispatcher = new RpcDispatcher(lateContext(context), ALL_METHODS, log);
  const rpc = await openRpcServer(settings, network, paths, { dispatcher, log, show });
  if (rpc !== undefined) stack.defer(() => rpc.close());
  const doing = (text: string) => {
    dispatcher.warmup = text;
  };

  const parts = { network, paths, clock, log, end, stack, show, doing };
  const ledger = hasChain ? await openLedger(settings, options, parts) : undefined;
  if (ledger !== undefined) wireLedger({ ...ledger, notifier, clock });
  const wallets = await openWallets(settings, {
    ...parts,
    chain: ledger?.source ?? new NoChainSource(network),
  });
  const node: NodeControl = {
    uptime: () => Math.floor((performance.now() - started) / 1000),
    clientVersion: CLIENT_VERSION,
    protocolVersion: PROTOCOL_VERSION,
    pruneTarget: undefined,
    relayFee: options.mempool.minRelayFee.fee,
    incrementalFee: options.mempool.incrementalRelayFee.fee,
    warnings: () => ledger?.warnings() ?? [],
    shutdown: () => end.because(undefined),
  };
  context.current = {
    network,
    clock,
    log,
    node,
    ...(ledger ?? { peers: undefined }),
    ...(wallets === undefined ? {} : { wallets }),
    methods: () => dispatcher.methods,
    activeCalls: () => dispatcher.active,
  };

  stack.defer(() => notifier.stopping());
  ledger?.takeInStoredBlocks();
  doing("Starting network threads…");
  if (ledger !== undefined) {
    stack.defer(() => ledger.peers.stop());
    await ledger.peers.start();
  }
  await openDoors(read, { paths, clock, log, ledger, wallets, stack });
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
}

/** Sharing and the API; a node that has neither loads nothing of them. */
async function openDoors(read: ReadSettings, parts: ServiceParts): Promise<void> {
  if (apiPort(read.settings) === undefined && !wantsSharing(read.settings)) return;
  const { openServices } = await import("./open-services.ts");
  await openServices(read, parts);
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

/** With -ledger=none all that comes from the ledger is missing. */
type LateContext = Omit<RpcContext, keyof Ledger> & Partial<RpcContext>;

/** The RPC context, which is whole only after start-up; until then the dispatcher lets no method run. */
function lateContext(holder: { current: LateContext | undefined }): RpcContext {
  return new Proxy({} as RpcContext, {
    get: (_target, name) => {
      const { current } = holder;
      if (current === undefined) throw new Error("an RPC method ran before the node was started");
      if (Object.hasOwn(current, name)) return current[name as keyof RpcContext];
      throw new RpcError(RPC_CODE.misc, "This node keeps no chain (-ledger=none)");
    },
  });
}
