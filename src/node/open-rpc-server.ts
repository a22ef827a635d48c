import { rename, rm, writeFile } from "node:fs/promises";
import type { Logger } from "#base/lib/logger.ts";
import { Credentials, makeCookie } from "#doors/rpc/credentials.ts";
import type { RpcDispatcher } from "#doors/rpc/dispatcher.ts";
import { RpcServer } from "#doors/rpc/http-server.ts";
import { rpcSettings } from "#node/config/component-options.ts";
import type { DataPaths } from "#node/config/data-directory.ts";
import { ConfigError, type Settings } from "#node/config/settings.ts";
import type { Network } from "#protocol/bitcoin/network.ts";

/** Who may read the cookie, by -rpccookieperms. */
const COOKIE_MODES: Readonly<Record<string, number>> = { owner: 0o600, group: 0o640, all: 0o644 };

export interface OpenRpc {
  readonly port: number;
  /** Lets no new call in; those that wait end. */
  refuseNew(): void;
  close(): Promise<void>;
}

/**
 * Opens the RPC door unless -server=0, with its cookie and logins.
 * @throws ConfigError
 */
export async function openRpcServer<Context>(
  settings: Settings,
  network: Network,
  paths: DataPaths,
  dependencies: { dispatcher: RpcDispatcher<Context>; log: Logger },
): Promise<OpenRpc | undefined> {
  if (!settings.boolean("server", true)) return undefined;
  const { log } = dependencies;
  const { warnings, ...options } = rpcSettings(settings, network);
  for (const warning of warnings) log.warn(warning);
  const credentials = readLogins(settings);
  const cookie = settings.string("rpcpassword", "") === "" ? paths.cookie : undefined;
  let server: RpcServer<Context>;
  try {
    server = new RpcServer(options, { ...dependencies, credentials });
    await server.listen();
  } catch (error) {
    throw new ConfigError(
      `Unable to start HTTP server. See debug log for details. (${(error as Error).message})`,
    );
  }
  if (cookie !== undefined) await writeCookie(cookie, credentials, settings);
  return {
    port: server.port,
    refuseNew: () => server.refuseNew(),
    async close() {
      await server.close();
      if (cookie !== undefined) await rm(cookie, { force: true });
    },
  };
}

function readLogins(settings: Settings): Credentials {
  const credentials = new Credentials();
  const password = settings.string("rpcpassword", "");
  if (password !== "") credentials.addPlain(`${settings.string("rpcuser", "")}:${password}`);
  for (const entry of settings.list("rpcauth")) {
    if (!credentials.addHashed(entry)) throw new ConfigError("Invalid -rpcauth argument.");
  }
  const whitelist = settings.list("rpcwhitelist");
  credentials.restrict(whitelist, settings.boolean("rpcwhitelistdefault", whitelist.length > 0));
  return credentials;
}

async function writeCookie(path: string, credentials: Credentials, settings: Settings): Promise<void> {
  const name = settings.string("rpccookieperms", "owner");
  const mode = COOKIE_MODES[name];
  if (mode === undefined) {
    throw new ConfigError(`Invalid -rpccookieperms=${name}; must be one of 'owner', 'group', or 'all'.`);
  }
  const cookie = makeCookie();
  credentials.addPlain(cookie);
  await writeFile(`${path}.tmp`, cookie, { mode });
  await rename(`${path}.tmp`, path);
}
