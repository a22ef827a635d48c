import { classifyOutput, type OutputType } from "#protocol/bitcoin/output-type.ts";
import { isPushOnly } from "#protocol/bitcoin/script.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import { dustOutputs } from "./dust.ts";
import type { FeeRate } from "./fee-rate.ts";
import {
  MAX_DUST_OUTPUTS_PER_TX,
  MAX_STANDARD_SCRIPTSIG_SIZE,
  MAX_STANDARD_TX_VERSION,
  MAX_STANDARD_TX_WEIGHT,
  MIN_STANDARD_TX_VERSION,
} from "./limits.ts";

/** Choices of the node that standardness depends on. */
export interface StandardOptions {
  /** Bytes of all OP_RETURN outputs together; undefined with -datacarrier=0. */
  readonly maxDataCarrierBytes: number | undefined;
  readonly permitBareMultisig: boolean;
  readonly dustRelayFee: FeeRate;
}

/**
 * Why a transaction (the first of the table) is not one that this node relays, by itself and without its inputs:
 * Core's word for it, `undefined` when it is (Core: IsStandardTx).
 */
export function whyNotStandard(table: TxTable, options: StandardOptions): string | undefined {
  const version = table.version(0);
  if (version > MAX_STANDARD_TX_VERSION || version < MIN_STANDARD_TX_VERSION) return "version";
  // Many inputs cost the network nearly as much to hash as they cost the sender.
  if (table.weight(0) > MAX_STANDARD_TX_WEIGHT) return "tx-size";
  return whyNotStandardInputs(table) ?? whyNotStandardOutputs(table, options);
}

function whyNotStandardInputs(table: TxTable): string | undefined {
  for (let input = 0; input < table.inputCount(0); input++) {
    if (table.inputScriptLength(input) > MAX_STANDARD_SCRIPTSIG_SIZE) return "scriptsig-size";
    if (!isPushOnly(table.inputScript(input))) return "scriptsig-not-pushonly";
  }
  return undefined;
}

function whyNotStandardOutputs(table: TxTable, options: StandardOptions): string | undefined {
  let dataBytesLeft = options.maxDataCarrierBytes ?? 0;
  for (let output = 0; output < table.outputCount(0); output++) {
    const script = table.outputScript(output);
    const type = standardOutputType(script);
    if (type === undefined) return "scriptpubkey";
    if (type === "nulldata") {
      if (script.length > dataBytesLeft) return "datacarrier";
      dataBytesLeft -= script.length;
    } else if (type === "multisig" && !options.permitBareMultisig) {
      return "bare-multisig";
    }
  }
  return dustOutputs(table, options.dustRelayFee).length > MAX_DUST_OUTPUTS_PER_TX ? "dust" : undefined;
}

/** The type of a standard output, `undefined` for others: unknown scripts and multisig of more than three keys. */
function standardOutputType(script: Uint8Array): OutputType | undefined {
  const { type, solutions } = classifyOutput(script);
  if (type === "nonstandard") return undefined;
  if (type === "multisig") {
    const required = solutions[0]![0]!;
    const keys = solutions[solutions.length - 1]![0]!;
    if (keys < 1 || keys > 3 || required < 1 || required > keys) return undefined;
  }
  return type;
}
