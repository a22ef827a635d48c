/** Everything a run is told, read in Core's order and refused with its texts (bitcoind.cpp, common/init.cpp). */
import { existsSync, mkdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Network } from "#protocol/bitcoin/network.ts";
import { checkOptions } from "./check-options.ts";
import { chooseNetwork, chooseSection } from "./choose-network.ts";
import { readConfigFiles } from "./config-file.ts";
import { readDynamicSettings } from "./dynamic-settings.ts";
import { ConfigError, NetworkChoiceError, Settings } from "./settings.ts";

/** The settings of a run, with what follows from them at once. */
export interface ReadSettings {
  readonly settings: Settings;
  readonly network: Network;
  /** Data directory, common to all networks. */
  readonly folder: string;
  /** Path of the configuration file, which need not exist; "" with -noconf. */
  readonly config: string;
}

/** Arguments alone, such as decide on help and version. @throws ConfigError */
export function readArguments(args: readonly string[], settings: Settings = new Settings()): Settings {
  try {
    settings.readCommandLine(args);
  } catch (error) {
    throw prefixed("Error parsing command line arguments", error);
  }
  return settings;
}

/**
 * Where configuration and data are: the configuration file of -datadir, or of `otherwise`, may name another
 * directory for the data.
 * @returns the data directory and the path of the configuration file ("" with -noconf)
 * @throws ConfigError
 */
export function readConfiguration(
  settings: Settings,
  otherwise: string,
  show: (text: string) => void,
): { folder: string; origin: string; config: string } {
  const origin = namedDirectory(settings) ?? otherwise;
  if (!isDirectory(origin) && settings.isSet("datadir")) {
    throw new ConfigError(`Specified data directory "${settings.string("datadir")}" does not exist.`);
  }
  let config: string;
  try {
    config = readConfigFiles(settings, origin, show);
    const moved = namedDirectory(settings);
    if (moved !== undefined && !isDirectory(moved)) {
      throw new ConfigError(`specified data directory "${settings.string("datadir")}" does not exist.`);
    }
  } catch (error) {
    if (error instanceof NetworkChoiceError) throw error;
    throw prefixed("Error reading configuration file", error);
  }
  settings.network = chooseSection(settings);
  return { folder: namedDirectory(settings) ?? otherwise, origin, config };
}

/**
 * Reads all that a daemon is told and makes its data directory.
 * @param settings with the arguments read
 * @param otherwise data directory when none is named
 * @throws ConfigError with the text for the user
 */
export function readSettings(
  settings: Settings,
  otherwise: string,
  show: (text: string) => void,
): ReadSettings {
  const { folder, origin, config } = readConfiguration(settings, otherwise, show);
  const network = chooseNetwork(settings);
  const networkFolder = network.folder === "" ? folder : join(folder, network.folder);
  // Wallets have a folder of their own from the start, in a new directory (Core's InitConfig).
  for (const path of [folder, networkFolder]) {
    if (!existsSync(path)) mkdirSync(join(path, "wallets"), { recursive: true, mode: 0o700 });
  }
  refuseIgnoredFile(settings, { folder, origin, config });
  const dynamic = settings.path("settings") ?? "settings.json";
  if (dynamic !== "") readDynamicSettings(settings, resolve(networkFolder, dynamic));
  if (settings.unexpectedToken !== undefined) {
    throw new ConfigError(
      `Command line contains unexpected token '${settings.unexpectedToken}', see bitcoind -h for a list of options.`,
    );
  }
  for (const warning of checkOptions(settings, network)) show(`Warning: ${warning}`);
  return { settings, network, folder, config };
}

function namedDirectory(settings: Settings): string | undefined {
  const path = settings.path("datadir");
  return path === undefined ? undefined : resolve(path);
}

function isDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

function prefixed(stage: string, error: unknown): unknown {
  return error instanceof ConfigError ? new ConfigError(`${stage}: ${error.message}`) : error;
}

/** A bitcoin.conf in the data directory that is not the one in use is likely a mistake. */
function refuseIgnoredFile(
  settings: Settings,
  { folder, origin, config }: { folder: string; origin: string; config: string },
): void {
  const ignored = join(folder, "bitcoin.conf");
  if (!existsSync(ignored)) return;
  if (config === "") {
    settings.warnings.push(
      `Data directory "${folder}" contains a "bitcoin.conf" file which is explicitly ignored using -noconf.`,
    );
    return;
  }
  if (existsSync(config) && isSameFile(config, ignored)) return;
  const named = settings.string("conf", "");
  const source = named === "" ? `data directory "${origin}"` : `command line argument "-conf=${named}"`;
  const text =
    `Data directory "${folder}" contains a "bitcoin.conf" file which is ignored, because a different configuration file ` +
    `"${config}" from ${source} is being used instead. Possible ways to address this would be to:\n` +
    `- Delete or rename the "bitcoin.conf" file in data directory "${folder}".\n` +
    "- Change datadir= or conf= options to specify one configuration file, not two, and use " +
    "includeconf= to include any other configuration files.";
  if (settings.boolean("allowignoredconf", false)) settings.warnings.push(text);
  else {
    throw new ConfigError(
      `${text}\n- Set allowignoredconf=1 option to treat this condition as a warning, not an error.`,
    );
  }
}

function isSameFile(a: string, b: string): boolean {
  const [first, second] = [statSync(a), statSync(b)];
  return first.ino === second.ino && first.dev === second.dev;
}
