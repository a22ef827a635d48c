import { DecodeError, decodedOrUndefined } from "#base/lib/decode-error.ts";
import { decodeAddress, isAddressError } from "#protocol/bitcoin/address.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import { parseDescriptor } from "#protocol/bitcoin/parse-descriptor.ts";
import { isRefusal, type MiningRefusal, refuse } from "./mining-refusal.ts";

/** The script that an address pays to, for generatetoaddress. */
export function scriptOfAddress(address: string, network: Network): Uint8Array | MiningRefusal {
  const decoded = decodeAddress(address, network);
  return isAddressError(decoded)
    ? refuse("invalid-address-or-key", "Error: Invalid address")
    : decoded.script;
}

/** The script that a descriptor stands for, for generatetodescriptor (Core: getScriptFromDescriptor). */
export function scriptOfDescriptor(text: string, network: Network): Uint8Array | MiningRefusal {
  try {
    return onlyScript(text, network);
  } catch (error) {
    if (error instanceof DecodeError) return refuse("invalid-address-or-key", error.message);
    throw error;
  }
}

function onlyScript(text: string, network: Network): Uint8Array | MiningRefusal {
  const { descriptors } = parseDescriptor(text, network);
  if (descriptors.length > 1) return refuse("invalid-parameter", "Multipath descriptor not accepted");
  const descriptor = descriptors[0]!;
  if (descriptor.isRange) {
    const text = "Ranged descriptor not accepted. Maybe pass through deriveaddresses first?";
    return refuse("invalid-parameter", text);
  }
  const scripts = descriptor.expand(0)?.scripts;
  if (scripts === undefined) {
    return refuse("invalid-address-or-key", "Cannot derive script without private keys");
  }
  // combo() has four for a compressed key, the third of them P2WPKH, and two for another, the second P2PKH.
  return scripts.length === 1 ? scripts[0]! : scripts.length === 4 ? scripts[2]! : scripts[1]!;
}

/** The script of a descriptor, or else of an address, for generateblock. */
export function scriptOfOutput(text: string, network: Network): Uint8Array | MiningRefusal {
  const script = scriptOfDescriptor(text, network);
  // Only what is no descriptor at all may be an address.
  if (!isRefusal(script) || decodedOrUndefined(() => parseDescriptor(text, network))) return script;
  const decoded = decodeAddress(text, network);
  if (!isAddressError(decoded)) return decoded.script;
  return refuse("invalid-address-or-key", "Error: Invalid address or descriptor");
}
