import { chmod, rename, rm, writeFile } from "node:fs/promises";
import { hostPort } from "#base/lib/host-port.ts";
import type { Logger } from "#base/lib/logger.ts";
import { Credentials, makeCookie } from "#doors/rpc/credentials.ts";
import type { RpcDispatcher } from "#doors/rpc/dispatcher.ts";
import { parseSubnet, RpcServer } from "#doors/rpc/http-server.ts";
import { rpcSettings } from "#node/config/component-options.ts";
import type { DataPaths } from "#node/config/data-directory.ts";
import { ConfigError, type Settings } from "#node/config/settings.ts";
import type { Network } from "#protocol/bitcoin/network.ts";

/** Who may read the cookie, by -rpccookieperms. */
const COOKIE_MODES: Readonly<Record<string, number>> = { owner: 0o600, group: 0o640, all: 0o644 };

export interface OpenRpc {
  readonly port: number;
  /** Lets no new call in and ends those that wait; resolves when all have their answer. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the RPC door unless -server=0, with its cookie and logins.
 * @throws ConfigError; the log tells why
 */
export async function openRpcServer<Context>(
  settings: Settings,
  network: Network,
  paths: DataPaths,
  dependencies: { dispatcher: RpcDispatcher<Context>; log: Logger; show: (text: string) => void },
): Promise<OpenRpc | undefined> {
  if (!settings.boolean("server", true)) return undefined;
  const { log, show } = dependencies;
  const { warnings, ...options } = rpcSettings(settings, network);
  for (const warning of warnings) log.warn(warning);
  const refuse = (why: string): never => {
    log.error(why);
    throw new ConfigError("Unable to start HTTP server. See debug log for details.");
  };
  const strange = options.allow.find((subnet) => parseSubnet(subnet) === undefined);
  if (strange !== undefined) {
    show(
      `Error: Invalid -rpcallowip subnet specification: ${strange}. Valid values are a single IP (e.g. 1.2.3.4), a network/netmask (e.g. 1.2.3.4/255.255.255.0), a network/CIDR (e.g. 1.2.3.4/24), all ipv4 (0.0.0.0/0), or all ipv6 (::/0). RFC4193 is allowed only if -cjdnsreachable=0.`,
    );
    refuse(`Invalid -rpcallowip subnet specification: ${strange}`);
  }
  const credentials = readLogins(settings) ?? refuse("Invalid -rpcauth argument.");
  const mode =
    cookieMode(settings) ??
    refuse(
      `Invalid -rpccookieperms=${settings.string("rpccookieperms")}; must be one of 'owner', 'group', or 'all'.`,
    );
  const cookie = settings.string("rpcpassword", "") === "" ? paths.cookie : undefined;
  const server = new RpcServer(options, { ...dependencies, credentials });
  const dropCookie = async () => {
    if (cookie !== undefined) await rm(cookie, { force: true });
  };
  // First the cookie: who finds the door open finds the key to it.
  try {
    if (cookie !== undefined) await writeCookie(cookie, credentials, mode);
  } catch (error) {
    refuse(`Unable to write cookie file ${cookie}: ${(error as Error).message}`);
  }
  await server.listen().catch(async (error: Error) => {
    await dropCookie();
    refuse(error.message);
  });
  const address = addressOf(server.host, server.port);
  await writeFile(paths.rpcAddress, `${address}\n`, { mode: 0o600 }).catch(async (error: Error) => {
    await server.close();
    await dropCookie();
    refuse(`Unable to write ${paths.rpcAddress}: ${error.message}`);
  });
  return {
    port: server.port,
    drain: () => server.drain(),
    async close() {
      await rm(paths.rpcAddress, { force: true });
      await server.close();
      await dropCookie();
    },
  };
}

/** Where a program of this machine reaches a door that listens on `host`. */
function addressOf(host: string, port: number): string {
  const here = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  return hostPort(here, port);
}

/** Undefined when an -rpcauth entry is malformed. */
function readLogins(settings: Settings): Credentials | undefined {
  const credentials = new Credentials();
  const password = settings.string("rpcpassword", "");
  if (password !== "") credentials.addPlain(`${settings.string("rpcuser", "")}:${password}`);
  for (const entry of settings.list("rpcauth")) if (!credentials.addHashed(entry)) return undefined;
  const whitelist = settings.list("rpcwhitelist");
  credentials.restrict(whitelist, settings.boolean("rpcwhitelistdefault", whitelist.length > 0));
  return credentials;
}

function cookieMode(settings: Settings): number | undefined {
  return COOKIE_MODES[settings.string("rpccookieperms", "owner")];
}

async function writeCookie(path: string, credentials: Credentials, mode: number): Promise<void> {
  const cookie = makeCookie();
  credentials.addPlain(cookie);
  await rm(`${path}.tmp`, { force: true });
  await writeFile(`${path}.tmp`, cookie, { mode: 0o600 });
  // Whatever the umask says.
  await chmod(`${path}.tmp`, mode);
  await rename(`${path}.tmp`, path);
}
