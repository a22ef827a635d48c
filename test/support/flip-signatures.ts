/** One byte flipped in the signatures of a real block, each in turn. */
import assert from "node:assert/strict";
import { parseLaxDer } from "#base/crypto/lax-der.ts";
import type { ScriptChecks } from "#ledger/chain/script-checks.ts";
import { ScriptReader } from "#protocol/bitcoin/script.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { Rejection } from "#protocol/consensus/rejection.ts";
import { SCRIPT_VERIFY_DERSIG } from "#protocol/consensus/script-flags.ts";
import type { RealBlock } from "./real-block.ts";

/** A signature in a block, its hash type included. */
export interface PlacedSignature {
  readonly tx: number;
  /** Index over the whole block. */
  readonly input: number;
  readonly at: number;
  readonly length: number;
}

/** Every push of an input's script and item of its witness that reads as an ECDSA signature. */
export function signaturesOf(txs: TxTable): PlacedSignature[] {
  const found: PlacedSignature[] = [];
  const scratch = new Uint8Array(64);
  for (let tx = 1; tx < txs.txCount; tx++) {
    for (let input = txs.firstInput(tx); input < txs.firstInput(tx) + txs.inputCount(tx); input++) {
      for (const data of [...pushesOf(txs.inputScript(input)), ...txs.witness(input)]) {
        if (data.length < 9 || data.length > 75 || data[0] !== 0x30) continue;
        if (!parseLaxDer(data.subarray(0, -1), scratch)) continue;
        found.push({ tx, input, at: data.byteOffset - txs.bytes.byteOffset, length: data.length });
      }
    }
  }
  return found;
}

function pushesOf(script: Uint8Array): Uint8Array[] {
  const pushes: Uint8Array[] = [];
  const reader = new ScriptReader(script);
  while (reader.next()) pushes.push(reader.data());
  return pushes;
}

/** Which signatures are flipped, and which of those whole blocks are connected for. */
export interface FlipPlan {
  /** 1 for every signature, n for every n-th. */
  readonly step: number;
  /** Of the flipped ones, 1 in so many has its whole block taken in. */
  readonly wholeStep: number;
}

/** What came of the flips. */
export interface FlipCounts {
  flips: number;
  /** Whole blocks that were taken in. */
  whole: number;
  readonly reasons: Map<string, number>;
}

export function newFlipCounts(): FlipCounts {
  return { flips: 0, whole: 0, reasons: new Map() };
}

/** One line. */
export function describeFlips({ flips, whole, reasons }: FlipCounts): string {
  const list = [...reasons].map(([reason, count]) => `${count} × ${reason}`).join(", ");
  return `${flips} flips, ${whole} of them by whole blocks: ${list}`;
}

/**
 * Flips one byte of a signature after the other. The block then passes all checks that come before scripts, and is
 * refused for that input with Core's reject string.
 * @param checks what whole blocks are connected with.
 */
export async function flipSignatures(
  block: RealBlock,
  plan: FlipPlan,
  counts: FlipCounts,
  checks: ScriptChecks,
): Promise<void> {
  const signatures = signaturesOf(block.block.txs);
  for (let i = 0; i < signatures.length; i += plan.step) {
    const signature = signatures[i]!;
    const byte = byteToFlip(block, signature, i);
    const reasons = reasonsFor(block, signature, byte);
    block.flip(signature.tx, signature.at + byte, 1 << (i % 7));
    const refused = block.check() ?? (await block.checkScripts(signature.tx, signature.tx + 1));
    assertRefused(block, signature, byte, refused, reasons);
    if ((i / plan.step) % plan.wholeStep === 0) {
      assert.deepEqual(await block.connect(checks), refused, "the whole block is refused for another reason");
      counts.whole++;
    }
    counts.flips++;
    counts.reasons.set(refused!.reason, (counts.reasons.get(refused!.reason) ?? 0) + 1);
    block.restore();
  }
}

function assertRefused(
  block: RealBlock,
  signature: PlacedSignature,
  byte: number,
  refused: Rejection | undefined,
  reasons: readonly string[],
): void {
  const place = `byte ${byte} of the signature at ${signature.at} of block ${block.known.height}`;
  assert.ok(refused !== undefined && reasons.includes(refused.reason), `${place}: ${refused?.reason}`);
  assert.equal(refused.result, "consensus");
  const input = signature.input - block.block.txs.firstInput(signature.tx);
  assert.ok(refused.debug?.startsWith(`input ${input} of `), `${place}: ${refused.debug}`);
}

/** Whether the encoding of signatures is checked (BIP66). */
function isStrict(block: RealBlock): boolean {
  return (block.flags & SCRIPT_VERIFY_DERSIG) !== 0;
}

/** Any byte in turn; before BIP66 one of R, for much of the encoding did not matter then. */
function byteToFlip(block: RealBlock, signature: PlacedSignature, number: number): number {
  return isStrict(block) ? number % signature.length : 5 + (number % 24);
}

const FALSE =
  "block-script-verify-flag-failed (Script evaluated without error but finished with a false/empty top stack element)";
const NOT_DER = "block-script-verify-flag-failed (Non-canonical DER signature)";

/** The reject strings of which one must come when this byte of a signature is another. */
function reasonsFor(block: RealBlock, signature: PlacedSignature, byte: number): readonly string[] {
  if (!isStrict(block)) return [FALSE];
  // 30 [length] 02 [length of R] R 02 [length of S] S [hash type]
  const s = 6 + block.block.bytes[signature.at + 3]!;
  if (byte < 4 || byte === s - 2 || byte === s - 1) return [NOT_DER];
  // A number may become negative there, or have a zero too many.
  if (byte < 6 || byte === s || byte === s + 1) return [FALSE, NOT_DER];
  return [FALSE];
}
