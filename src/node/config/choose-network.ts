/** Which network this run is for, from -chain, -regtest, -signet, -testnet, -testnet4 and -networkfile. */
import { readFileSync } from "node:fs";
import { fromHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Network, VersionbitsDeployment } from "#protocol/bitcoin/network.ts";
import {
  BURIED_HEIGHTS,
  type BuriedName,
  main,
  networkFromJson,
  regtest,
  signet,
  testnet3,
  testnet4,
} from "#protocol/bitcoin/networks.ts";
import { ConfigError, NetworkChoiceError, type Settings } from "./settings.ts";

/** Section of the configuration file that a network reads. @throws NetworkChoiceError */
export function chooseSection(settings: Settings): string {
  const chain = settings.string("chain");
  const flags = (["regtest", "signet", "testnet", "testnet4"] as const).filter((name) =>
    settings.chainFlag(name),
  );
  if (flags.length + (chain === undefined ? 0 : 1) > 1) {
    throw new NetworkChoiceError(
      "Invalid combination of -regtest, -signet, -testnet, -testnet4 and -chain. Can use at most one.",
    );
  }
  if (chain !== undefined) return chain;
  const flag = flags[0];
  return flag === "testnet" ? "test" : (flag ?? "main");
}

/** The rules of the chosen network. @throws ConfigError */
export function chooseNetwork(settings: Settings): Network {
  const path = settings.string("networkfile");
  if (path !== undefined) return readNetworkFile(path, settings.network);
  switch (settings.network) {
    case "main":
      return main;
    case "test":
      return testnet3;
    case "testnet4":
      return testnet4;
    case "signet":
      return chooseSignet(settings);
    case "regtest":
      return chooseRegtest(settings);
    default:
      throw new NetworkChoiceError(
        `Unknown chain ${settings.network}. For a custom network give its description with -networkfile=<file>.`,
      );
  }
}

function readNetworkFile(path: string, name: string): Network {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`Cannot read -networkfile ${path}: ${(error as Error).message}`);
  }
  try {
    const network = networkFromJson(text);
    if (network.name !== name) {
      throw new ConfigError(
        `-networkfile describes chain ${network.name}; start with -chain=${network.name}`,
      );
    }
    return network;
  } catch (error) {
    if (error instanceof DecodeError) throw new ConfigError(`-networkfile ${path}: ${error.message}`);
    throw error;
  }
}

function chooseSignet(settings: Settings): Network {
  const challenges = settings.list("signetchallenge");
  if (challenges.length === 0) return signet();
  if (challenges.length > 1) {
    throw new ConfigError("-signetchallenge cannot be multiple values.");
  }
  const challenge = fromHex(challenges[0]!);
  if (challenge === undefined) throw new ConfigError(`-signetchallenge must be hex, not '${challenges[0]}'.`);
  return signet(challenge);
}

function chooseRegtest(settings: Settings): Network {
  const activationHeights: Partial<Record<BuriedName, number>> = {};
  for (const text of settings.list("testactivationheight")) {
    const [name = "", height = ""] = text.split("@", 2);
    if (!text.includes("@")) {
      throw new ConfigError(`Invalid format (${text}) for -testactivationheight=name@height.`);
    }
    if (!/^\d+$/.test(height) || Number(height) >= 0x7fff_ffff) {
      throw new ConfigError(`Invalid height value (${text}) for -testactivationheight=name@height.`);
    }
    if (!Object.hasOwn(BURIED_HEIGHTS, name)) {
      throw new ConfigError(`Invalid name (${text}) for -testactivationheight=name@height.`);
    }
    activationHeights[name as BuriedName] = Number(height);
  }
  return regtest({
    activationHeights,
    deployments: Object.fromEntries(settings.list("vbparams").map(parseVersionbits)),
    enforceBip94: settings.list("test").includes("bip94"),
  });
}

/** One `-vbparams=deployment:start:end[:min_activation_height]`. */
function parseVersionbits(text: string): [string, Partial<VersionbitsDeployment>] {
  const parts = text.split(":");
  if (parts.length < 3 || parts.length > 4) {
    throw new ConfigError(
      "Version bits parameters malformed, expecting deployment:start:end[:min_activation_height]",
    );
  }
  const [name, start, end, minimum = "0"] = parts as [string, string, string, string?];
  if (!["testdummy", "taproot"].includes(name)) throw new ConfigError(`Invalid deployment (${name})`);
  if (!/^-?\d+$/.test(start)) throw new ConfigError(`Invalid nStartTime (${start})`);
  if (!/^-?\d+$/.test(end)) throw new ConfigError(`Invalid nTimeout (${end})`);
  if (!/^-?\d+$/.test(minimum)) throw new ConfigError(`Invalid min_activation_height (${minimum})`);
  return [name, { startTime: Number(start), timeout: Number(end), minActivationHeight: Number(minimum) }];
}
