/** Hashes and signature checks. */

import { hash160, ripemd160, sha1, sha256, sha256d } from "#base/crypto/sha256.ts";
import * as op from "#protocol/bitcoin/opcodes.ts";
import {
  encodeScriptNumber,
  findAndDelete,
  MAX_OPS_PER_SCRIPT,
  MAX_PUBKEYS_PER_MULTISIG,
  pushData,
} from "#protocol/bitcoin/script.ts";
import type { ScriptError } from "./script-error.ts";
import {
  SCRIPT_VERIFY_CONST_SCRIPTCODE,
  SCRIPT_VERIFY_NULLDUMMY,
  SCRIPT_VERIFY_NULLFAIL,
} from "./script-flags.ts";
import type { OpcodeHandler, ScriptMachine } from "./script-machine.ts";
import { checkPubkeyEncoding, checkSignatureEncoding } from "./signature-encoding.ts";
import { checkTapscriptSignature } from "./tapscript.ts";

function hashing(hash: (bytes: Uint8Array) => Uint8Array): OpcodeHandler {
  return (machine) => {
    if (machine.stack.length < 1) return "INVALID_STACK_OPERATION";
    machine.push(hash(machine.stack.pop()!));
    return undefined;
  };
}

/** Signatures that follow commit to what comes after it alone. */
function codeSeparator(machine: ScriptMachine): ScriptError | undefined {
  machine.codeStart = machine.reader.at;
  machine.execution.codeSeparatorPosition = machine.opcodePosition;
  return undefined;
}

/**
 * One signature against one key by the rules of the script's version: whether it holds, or the error that ends
 * the script.
 */
function checkSignature(
  machine: ScriptMachine,
  signature: Uint8Array,
  pubkey: Uint8Array,
): boolean | ScriptError {
  if (machine.version === "tapscript") return checkTapscriptSignature(machine, signature, pubkey);
  let scriptCode = machine.scriptCode();
  if (machine.version === "base") {
    const without = findAndDelete(scriptCode, pushData(signature));
    if (without !== scriptCode && (machine.flags & SCRIPT_VERIFY_CONST_SCRIPTCODE) !== 0) {
      return "SIG_FINDANDDELETE";
    }
    scriptCode = without;
  }
  const error = checkEncodings(machine, signature, pubkey);
  if (error !== undefined) return error;
  const holds = machine.checker.checkEcdsa(signature, pubkey, scriptCode, machine.version);
  const mustBeEmpty = !holds && (machine.flags & SCRIPT_VERIFY_NULLFAIL) !== 0;
  return mustBeEmpty && signature.length > 0 ? "SIG_NULLFAIL" : holds;
}

function checkEncodings(
  machine: ScriptMachine,
  signature: Uint8Array,
  pubkey: Uint8Array,
): ScriptError | undefined {
  const { flags, version } = machine;
  return checkSignatureEncoding(signature, flags) ?? checkPubkeyEncoding(pubkey, flags, version);
}

/** ( sig pubkey -- bool ) */
function checkSig(machine: ScriptMachine, opcode: number): ScriptError | undefined {
  if (machine.stack.length < 2) return "INVALID_STACK_OPERATION";
  const result = checkSignature(machine, machine.top(2), machine.top(1));
  if (typeof result === "string") return result;
  machine.drop(2);
  if (opcode === op.OP_CHECKSIG) machine.pushBool(result);
  else if (!result) return "CHECKSIGVERIFY";
  return undefined;
}

/** ( sig n pubkey -- n + 1 or n ), BIP342. */
function checkSigAdd(machine: ScriptMachine): ScriptError | undefined {
  if (machine.version !== "tapscript") return "BAD_OPCODE";
  if (machine.stack.length < 3) return "INVALID_STACK_OPERATION";
  const count = machine.number(2);
  if (count === undefined) return "SCRIPTNUM";
  const result = checkSignature(machine, machine.top(3), machine.top(1));
  if (typeof result === "string") return result;
  machine.drop(3);
  machine.push(encodeScriptNumber(result ? count + 1 : count));
  return undefined;
}

/** ( dummy sig… m pubkey… n -- bool ). Takes an element too many, as the first client did. */
function checkMultisig(machine: ScriptMachine, opcode: number): ScriptError | undefined {
  const { stack } = machine;
  if (machine.version === "tapscript") return "TAPSCRIPT_CHECKMULTISIG";
  if (stack.length < 1) return "INVALID_STACK_OPERATION";
  const keyCount = machine.number();
  if (keyCount === undefined) return "SCRIPTNUM";
  if (keyCount < 0 || keyCount > MAX_PUBKEYS_PER_MULTISIG) return "PUBKEY_COUNT";
  machine.opCount += keyCount;
  if (machine.opCount > MAX_OPS_PER_SCRIPT) return "OP_COUNT";
  if (stack.length < keyCount + 2) return "INVALID_STACK_OPERATION";
  const sigCount = machine.number(keyCount + 2);
  if (sigCount === undefined) return "SCRIPTNUM";
  if (sigCount < 0 || sigCount > keyCount) return "SIG_COUNT";
  if (stack.length < keyCount + sigCount + 3) return "INVALID_STACK_OPERATION";

  const result = checkSignatures(machine, keyCount, sigCount);
  if (typeof result === "string") return result;
  const nullFail = !result && (machine.flags & SCRIPT_VERIFY_NULLFAIL) !== 0;
  for (let i = 0; nullFail && i < sigCount; i++) {
    if (machine.top(keyCount + 3 + i).length > 0) return "SIG_NULLFAIL";
  }
  machine.drop(keyCount + sigCount + 2);
  if ((machine.flags & SCRIPT_VERIFY_NULLDUMMY) !== 0 && machine.top().length > 0) return "SIG_NULLDUMMY";
  machine.drop(1);
  if (opcode === op.OP_CHECKMULTISIG) machine.pushBool(result);
  else if (!result) return "CHECKMULTISIGVERIFY";
  return undefined;
}

/** Each signature against the keys in turn, both from the top of the stack down. */
function checkSignatures(machine: ScriptMachine, keyCount: number, sigCount: number): boolean | ScriptError {
  const { version } = machine;
  const scriptCode = multisigScriptCode(machine, keyCount, sigCount);
  if (typeof scriptCode === "string") return scriptCode;
  let key = 2;
  let keysLeft = keyCount;
  let sig = keyCount + 3;
  let sigsLeft = sigCount;
  while (sigsLeft > 0) {
    const signature = machine.top(sig);
    const pubkey = machine.top(key);
    const error = checkEncodings(machine, signature, pubkey);
    if (error !== undefined) return error;
    if (machine.checker.checkEcdsa(signature, pubkey, scriptCode, version)) {
      sig++;
      sigsLeft--;
    }
    key++;
    keysLeft--;
    if (sigsLeft > keysLeft) return false;
  }
  return true;
}

/** The script code, in legacy scripts without any of the signatures. */
function multisigScriptCode(
  machine: ScriptMachine,
  keyCount: number,
  sigCount: number,
): Uint8Array | ScriptError {
  let scriptCode = machine.scriptCode();
  if (machine.version !== "base") return scriptCode;
  for (let i = 0; i < sigCount; i++) {
    const without = findAndDelete(scriptCode, pushData(machine.top(keyCount + 3 + i)));
    if (without !== scriptCode && (machine.flags & SCRIPT_VERIFY_CONST_SCRIPTCODE) !== 0) {
      return "SIG_FINDANDDELETE";
    }
    scriptCode = without;
  }
  return scriptCode;
}

export const CRYPTO_OPCODES: readonly (readonly [number, OpcodeHandler])[] = [
  [op.OP_RIPEMD160, hashing(ripemd160)],
  [op.OP_SHA1, hashing(sha1)],
  [op.OP_SHA256, hashing(sha256)],
  [op.OP_HASH160, hashing(hash160)],
  [op.OP_HASH256, hashing(sha256d)],
  [op.OP_CODESEPARATOR, codeSeparator],
  [op.OP_CHECKSIG, checkSig],
  [op.OP_CHECKSIGVERIFY, checkSig],
  [op.OP_CHECKSIGADD, checkSigAdd],
  [op.OP_CHECKMULTISIG, checkMultisig],
  [op.OP_CHECKMULTISIGVERIFY, checkMultisig],
];
