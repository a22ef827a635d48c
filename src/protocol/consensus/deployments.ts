/**
 * Which rules hold at which block: deployments buried at a height, those that miners signal for (versionbits.ts),
 * and the script flags that follow (Core: deploymentstatus.h, validation.cpp `GetBlockScriptFlags`).
 */
import { toHexReversed } from "#base/lib/bytes.ts";
import type { ConsensusRules, Network } from "#protocol/bitcoin/network.ts";
import type { HeaderContext } from "./header-context.ts";
import {
  SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY,
  SCRIPT_VERIFY_CHECKSEQUENCEVERIFY,
  SCRIPT_VERIFY_DERSIG,
  SCRIPT_VERIFY_NULLDUMMY,
  SCRIPT_VERIFY_P2SH,
  SCRIPT_VERIFY_TAPROOT,
  SCRIPT_VERIFY_WITNESS,
} from "./script-flags.ts";
import type { VersionbitsCache } from "./versionbits.ts";

/** Deployments that hold from a height on, in the order in which Core's getdeploymentinfo lists them. */
export const BURIED_DEPLOYMENTS = ["bip34", "bip66", "bip65", "csv", "segwit"] as const;

export type BuriedDeployment = (typeof BURIED_DEPLOYMENTS)[number];

/** Height from which a buried deployment holds. */
export function deploymentHeight(rules: ConsensusRules, name: BuriedDeployment): number {
  switch (name) {
    case "bip34":
      return rules.bip34Height;
    case "bip66":
      return rules.bip66Height;
    case "bip65":
      return rules.bip65Height;
    case "csv":
      return rules.csvHeight;
    case "segwit":
      return rules.segwitHeight;
  }
}

/** Whether a buried deployment holds in the block at `height`. */
export function isActiveAt(network: Network, height: number, name: BuriedDeployment): boolean {
  return height >= deploymentHeight(network.consensus, name);
}

/** Whether a buried deployment holds in the block after `prev` (`null`: in genesis). */
export function isActiveAfter(network: Network, prev: HeaderContext | null, name: BuriedDeployment): boolean {
  return isActiveAt(network, prev === null ? 0 : prev.height + 1, name);
}

/** Whether a deployment, buried or signalled for, holds in the block after `prev`. */
export function isActive(cache: VersionbitsCache, prev: HeaderContext | null, name: string): boolean {
  if ((BURIED_DEPLOYMENTS as readonly string[]).includes(name)) {
    return isActiveAfter(cache.network, prev, name as BuriedDeployment);
  }
  return cache.state(prev, name) === "active";
}

/** P2SH, witness and taproot rules hold in all blocks but the few that broke them before they came. */
const ALWAYS = SCRIPT_VERIFY_P2SH | SCRIPT_VERIFY_WITNESS | SCRIPT_VERIFY_TAPROOT;

/** Flags with which the scripts of a block are verified. */
export function scriptFlagsFor(network: Network, hash: Uint8Array, height: number): number {
  const { scriptFlagExceptions } = network.consensus;
  let flags = scriptFlagExceptions[toHexReversed(hash)] ?? ALWAYS;
  if (isActiveAt(network, height, "bip66")) flags |= SCRIPT_VERIFY_DERSIG;
  if (isActiveAt(network, height, "bip65")) flags |= SCRIPT_VERIFY_CHECKLOCKTIMEVERIFY;
  if (isActiveAt(network, height, "csv")) flags |= SCRIPT_VERIFY_CHECKSEQUENCEVERIFY;
  // BIP147 came with segwit.
  if (isActiveAt(network, height, "segwit")) flags |= SCRIPT_VERIFY_NULLDUMMY;
  return flags;
}
