import { publicKeyOf } from "#base/crypto/keys.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { multisigScript, wrapScript } from "#protocol/bitcoin/multisig.ts";
import * as op from "#protocol/bitcoin/opcodes.ts";
import { buildScript, pushData, pushNumber } from "#protocol/bitcoin/script.ts";
import { TAPSCRIPT_LEAF, tapLeafHash, taprootOutput } from "#protocol/bitcoin/taproot.ts";
import type { ScriptError } from "#protocol/consensus/script-error.ts";
import type { BlockForge } from "./block-forge.ts";
import { type Lock, makeLock, randomSecret, type Signing, type Unlocking } from "./forge-locks.ts";

/** An output's script and one way to spend it, right or wrong. */
export interface Puzzle {
  readonly script: Uint8Array;
  readonly unlock: (signing: Signing, input: number) => Unlocking;
  readonly version?: number;
  readonly lockTime?: number;
  readonly sequence?: number;
}

/** A way in which a script fails, and a spend beside it that just does not. */
export interface ScriptCase {
  readonly error: ScriptError;
  readonly broken: (forge: BlockForge) => Puzzle;
  readonly kept: (forge: BlockForge) => Puzzle;
}

const NOTHING = new Uint8Array(0);

type Part = number | Uint8Array;

/** A script of opcodes and pushes. */
const script = (...parts: readonly Part[]): Uint8Array => buildScript(...parts);
const repeat = (part: Part, count: number): Part[] => new Array<Part>(count).fill(part);
const zeros = (length: number): Uint8Array => new Uint8Array(length);
const ones = (length: number): Uint8Array => new Uint8Array(length).fill(1);

const bare = (
  locking: Uint8Array,
  unlocking: Uint8Array = NOTHING,
  change: Partial<Puzzle> = {},
): Puzzle => ({
  script: locking,
  unlock: () => ({ script: unlocking, witness: [] }),
  ...change,
});

/** @param pushes put on the stack before the redeem script. */
const p2sh = (redeem: Uint8Array, ...pushes: readonly Part[]): Puzzle =>
  bare(wrapScript(redeem, "legacy"), concatBytes(script(...pushes), pushData(redeem)));

const p2wsh = (
  witnessScript: Uint8Array,
  stack: Uint8Array[] = [],
  change: Partial<Puzzle> = {},
): Puzzle => ({
  script: wrapScript(witnessScript, "bech32"),
  unlock: () => ({ script: NOTHING, witness: [...stack, witnessScript] }),
  ...change,
});

interface TapscriptChange {
  readonly stack?: (signing: Signing, input: number, leaf: Uint8Array) => Uint8Array[];
  readonly control?: (control: Uint8Array) => Uint8Array;
}

function tapscript(forge: BlockForge, leafScript: Uint8Array, change: TapscriptChange = {}): Puzzle {
  const internal = publicKeyOf(randomSecret(forge.random), true).subarray(1);
  const output = taprootOutput(internal, [{ script: leafScript, leafVersion: TAPSCRIPT_LEAF, depth: 0 }])!;
  const block = output.leaves[0]!.controlBlock;
  const control = change.control?.(block) ?? block;
  const leaf = tapLeafHash(leafScript);
  return {
    script: output.script,
    unlock: (signing, input) => ({
      script: NOTHING,
      witness: [...(change.stack?.(signing, input, leaf) ?? []), leafScript, control],
    }),
  };
}

/** An ordinary lock as a puzzle, its solution changed. */
const changed = (lock: Lock, change: (right: Unlocking) => Partial<Unlocking> = () => ({})): Puzzle => ({
  script: lock.script,
  unlock: (signing, input) => {
    const right = lock.unlock(signing, input);
    return { ...right, ...change(right) };
  },
});

/** A spend that is right by a lock of this kind. */
const right = (kind: Lock["kind"]) => (forge: BlockForge) => changed(makeLock(kind, forge.random));

/** A script that fails by itself beside one that does not. */
const scripts = (error: ScriptError, broken: Puzzle, kept: Puzzle): ScriptCase => ({
  error,
  broken: () => broken,
  kept: () => kept,
});

const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy;
};

const key = (forge: BlockForge) => {
  const secret = randomSecret(forge.random);
  return { secret, publicKey: publicKeyOf(secret, true) };
};

/** P2PK with the signature put through `change`. */
const p2pk = (change: (signature: Uint8Array) => Uint8Array) => (forge: BlockForge) => {
  const { secret, publicKey } = key(forge);
  const locking = script(publicKey, op.OP_CHECKSIG);
  return {
    script: locking,
    unlock: (signing: Signing, input: number) => ({
      script: pushData(change(signing.legacy(secret, input, locking))),
      witness: [],
    }),
  };
};

/** The pushes of a script of pushes alone, as witness-like items. */
const multisigBare = (dummy: number) => (forge: BlockForge) => {
  const { secret, publicKey } = key(forge);
  const locking = multisigScript(1, [publicKey]);
  return {
    script: locking,
    unlock: (signing: Signing, input: number) => ({
      script: script(dummy, signing.legacy(secret, input, locking)),
      witness: [],
    }),
  };
};

/** DER with a zero more than needed in front of R. */
const paddedDer = (signature: Uint8Array): Uint8Array => {
  const length = signature[3]!;
  return concatBytes(Uint8Array.of(0x30, signature[1]! + 1, 0x02, length + 1, 0), signature.subarray(4));
};

/** A scriptSig of `length` bytes that only pushes. */
const pushesOf = (length: number): Uint8Array => {
  const parts: Uint8Array[] = [];
  let left = length;
  for (; left > 523 + 76; left -= 523) parts.push(pushData(zeros(520)));
  for (; left > 76; left -= 76) parts.push(pushData(zeros(75)));
  parts.push(pushData(zeros(left - 1)));
  return concatBytes(...parts);
};

const SIZE_CASES: readonly ScriptCase[] = [
  scripts("SCRIPT_SIZE", bare(script(op.OP_1), pushesOf(10_001)), bare(script(op.OP_1), pushesOf(10_000))),
  scripts(
    "SCRIPT_SIZE",
    p2wsh(script(...repeat(zeros(520), 19), zeros(62), op.OP_1, ...repeat(op.OP_NOP, 1))),
    p2wsh(script(op.OP_1)),
  ),
  scripts("PUSH_SIZE", bare(script(op.OP_1), script(zeros(521))), bare(script(op.OP_1), script(zeros(520)))),
  scripts(
    "PUSH_SIZE",
    p2wsh(script(op.OP_DROP, op.OP_1), [zeros(521)]),
    p2wsh(script(op.OP_DROP, op.OP_1), [zeros(520)]),
  ),
  scripts(
    "OP_COUNT",
    bare(script(...repeat(op.OP_NOP, 202), op.OP_1)),
    bare(script(...repeat(op.OP_NOP, 201), op.OP_1)),
  ),
  scripts(
    "STACK_SIZE",
    bare(script(op.OP_1), script(...repeat(op.OP_1, 1000))),
    bare(script(op.OP_1), script(...repeat(op.OP_1, 999))),
  ),
];

const FLOW_CASES: readonly ScriptCase[] = [
  scripts("EVAL_FALSE", bare(script(op.OP_NOP), script(op.OP_0)), bare(script(op.OP_NOP), script(op.OP_1))),
  scripts("EVAL_FALSE", bare(NOTHING), bare(NOTHING, script(op.OP_1))),
  // Negative zero is false as well.
  scripts("EVAL_FALSE", p2wsh(script(Uint8Array.of(0, 0x80))), p2wsh(script(Uint8Array.of(0, 0x81)))),
  scripts(
    "OP_RETURN",
    p2sh(script(op.OP_RETURN)),
    p2sh(script(op.OP_0, op.OP_IF, op.OP_RETURN, op.OP_ENDIF, op.OP_1)),
  ),
  scripts(
    "VERIFY",
    bare(script(op.OP_VERIFY, op.OP_1), script(op.OP_0)),
    bare(script(op.OP_VERIFY, op.OP_1), script(op.OP_2)),
  ),
  scripts(
    "EQUALVERIFY",
    bare(script(op.OP_5, op.OP_EQUALVERIFY, op.OP_1), script(op.OP_6)),
    bare(script(op.OP_5, op.OP_EQUALVERIFY, op.OP_1), script(op.OP_5)),
  ),
  scripts(
    "NUMEQUALVERIFY",
    bare(script(op.OP_5, op.OP_NUMEQUALVERIFY, op.OP_1), script(op.OP_6)),
    bare(script(op.OP_5, op.OP_NUMEQUALVERIFY, op.OP_1), script(Uint8Array.of(5, 0))),
  ),
  scripts(
    "BAD_OPCODE",
    bare(script(op.OP_RESERVED, op.OP_1)),
    bare(script(op.OP_0, op.OP_IF, op.OP_RESERVED, op.OP_ENDIF, op.OP_1)),
  ),
  scripts(
    "BAD_OPCODE",
    bare(script(op.OP_0, op.OP_IF, op.OP_VERIF, op.OP_ENDIF, op.OP_1)),
    bare(script(op.OP_0, op.OP_IF, op.OP_VER, op.OP_ENDIF, op.OP_1)),
  ),
  scripts("BAD_OPCODE", bare(Uint8Array.of(op.OP_1, 0x02, 0x01)), bare(Uint8Array.of(op.OP_1, 0x01, 0x01))),
  scripts(
    "DISABLED_OPCODE",
    bare(script(op.OP_0, op.OP_IF, op.OP_CAT, op.OP_ENDIF, op.OP_1)),
    bare(script(op.OP_0, op.OP_IF, op.OP_SIZE, op.OP_ENDIF, op.OP_1)),
  ),
  scripts("INVALID_STACK_OPERATION", bare(script(op.OP_DUP)), bare(script(op.OP_DUP), script(op.OP_1))),
  scripts(
    "INVALID_ALTSTACK_OPERATION",
    bare(script(op.OP_FROMALTSTACK)),
    bare(script(op.OP_1, op.OP_TOALTSTACK, op.OP_FROMALTSTACK)),
  ),
  scripts(
    "UNBALANCED_CONDITIONAL",
    bare(script(op.OP_1, op.OP_IF, op.OP_1)),
    bare(script(op.OP_1, op.OP_IF, op.OP_1, op.OP_ENDIF)),
  ),
  scripts(
    "UNBALANCED_CONDITIONAL",
    bare(script(op.OP_1, op.OP_ENDIF)),
    bare(script(op.OP_1, op.OP_NOTIF, op.OP_ENDIF, op.OP_1)),
  ),
  scripts(
    "SCRIPTNUM",
    bare(script(Uint8Array.of(1, 2, 3, 4, 5), op.OP_1ADD)),
    bare(script(Uint8Array.of(1, 2, 3, 4), op.OP_1ADD)),
  ),
];

const LOCK_TIME = 50;
const cltv = (wanted: number, change: Partial<Puzzle>) =>
  bare(concatBytes(pushNumber(wanted), script(op.OP_CHECKLOCKTIMEVERIFY)), NOTHING, {
    sequence: 0,
    ...change,
  });
const csv = (wanted: number, change: Partial<Puzzle>) =>
  bare(
    concatBytes(pushNumber(wanted), script(op.OP_CHECKSEQUENCEVERIFY, op.OP_DROP, op.OP_1)),
    NOTHING,
    change,
  );

const TIME_CASES: readonly ScriptCase[] = [
  scripts("NEGATIVE_LOCKTIME", cltv(-1, {}), cltv(1, { lockTime: 1 })),
  scripts(
    "UNSATISFIED_LOCKTIME",
    cltv(LOCK_TIME, { lockTime: LOCK_TIME - 1 }),
    cltv(LOCK_TIME, { lockTime: LOCK_TIME }),
  ),
  // A time against a height, and a final sequence, which switches the lock time off.
  scripts(
    "UNSATISFIED_LOCKTIME",
    cltv(500_000_000, { lockTime: 5 }),
    cltv(500_000_000, { lockTime: 500_000_000 }),
  ),
  scripts(
    "UNSATISFIED_LOCKTIME",
    cltv(LOCK_TIME, { lockTime: LOCK_TIME, sequence: 0xffff_ffff }),
    cltv(LOCK_TIME, { lockTime: LOCK_TIME, sequence: 0xffff_fffe }),
  ),
  scripts("NEGATIVE_LOCKTIME", csv(-1, { sequence: 0 }), csv(0, { sequence: 0 })),
  scripts("UNSATISFIED_LOCKTIME", csv(1, { sequence: 0x8000_0000 }), csv(0x8000_0001, { sequence: 0 })),
  scripts("UNSATISFIED_LOCKTIME", csv(0, { sequence: 0, version: 1 }), csv(0, { sequence: 0, version: 2 })),
  scripts("UNSATISFIED_LOCKTIME", csv(0x40_0000, { sequence: 0 }), csv(0x40_0000, { sequence: 0x40_0000 })),
];

const SIGNATURE_CASES: readonly ScriptCase[] = [
  {
    error: "EVAL_FALSE",
    broken: p2pk((signature) => flipped(signature, signature.length - 8)),
    kept: p2pk((s) => s),
  },
  { error: "SIG_DER", broken: p2pk(paddedDer), kept: p2pk((signature) => signature) },
  // Any byte is a hash type, but then the hash is another.
  {
    error: "EVAL_FALSE",
    broken: p2pk((s) => concatBytes(s.subarray(0, -1), Uint8Array.of(0x41))),
    kept: p2pk((s) => s),
  },
  { error: "EVAL_FALSE", broken: p2pk(() => NOTHING), kept: p2pk((signature) => signature) },
  {
    error: "EQUALVERIFY",
    broken: (forge) => {
      const lock = makeLock("p2pkh", forge.random);
      const other = publicKeyOf(randomSecret(forge.random), true);
      return changed(lock, ({ script: solution }) => ({
        script: concatBytes(solution.subarray(0, -34), pushData(other)),
      }));
    },
    kept: right("p2pkh"),
  },
  { error: "SIG_NULLDUMMY", broken: multisigBare(op.OP_1), kept: multisigBare(op.OP_0) },
  scripts(
    "SIG_COUNT",
    bare(script(op.OP_0, op.OP_0, op.OP_2, op.OP_0, op.OP_1, op.OP_CHECKMULTISIG)),
    bare(script(op.OP_0, op.OP_0, zeros(33), op.OP_1, op.OP_CHECKMULTISIG)),
  ),
  scripts(
    "PUBKEY_COUNT",
    bare(script(op.OP_0, op.OP_0, ...repeat(op.OP_1, 21), Uint8Array.of(21), op.OP_CHECKMULTISIG)),
    bare(script(op.OP_0, op.OP_0, ...repeat(op.OP_1, 20), Uint8Array.of(20), op.OP_CHECKMULTISIG)),
  ),
  scripts(
    "CHECKSIGVERIFY",
    bare(script(op.OP_0, zeros(33), op.OP_CHECKSIGVERIFY, op.OP_1)),
    bare(script(op.OP_0, zeros(33), op.OP_CHECKSIG, op.OP_NOT)),
  ),
  scripts(
    "CHECKMULTISIGVERIFY",
    bare(script(op.OP_0, op.OP_0, op.OP_1, zeros(33), op.OP_1, op.OP_CHECKMULTISIGVERIFY, op.OP_1)),
    bare(script(op.OP_0, op.OP_0, zeros(33), op.OP_1, op.OP_CHECKMULTISIGVERIFY, op.OP_1)),
  ),
  scripts(
    "SIG_PUSHONLY",
    bare(wrapScript(script(op.OP_1), "legacy"), concatBytes(script(op.OP_NOP), pushData(script(op.OP_1)))),
    bare(
      wrapScript(script(op.OP_1), "legacy"),
      concatBytes(script(op.OP_RESERVED - 1), pushData(script(op.OP_1))),
    ),
  ),
];

const WITNESS_CASES: readonly ScriptCase[] = [
  scripts(
    "CLEANSTACK",
    p2wsh(script(op.OP_1), [zeros(1)]),
    p2wsh(script(op.OP_NIP), [zeros(1), Uint8Array.of(1)]),
  ),
  scripts("WITNESS_PROGRAM_WRONG_LENGTH", bare(script(op.OP_0, ones(31))), bare(script(op.OP_1, ones(31)))),
  scripts(
    "WITNESS_PROGRAM_WITNESS_EMPTY",
    bare(wrapScript(script(op.OP_1), "bech32")),
    p2wsh(script(op.OP_1)),
  ),
  scripts(
    "WITNESS_PROGRAM_MISMATCH",
    { ...p2wsh(script(op.OP_2)), script: wrapScript(script(op.OP_1), "bech32") },
    p2wsh(script(op.OP_1)),
  ),
  {
    error: "WITNESS_PROGRAM_MISMATCH",
    broken: (forge) =>
      changed(makeLock("p2wpkh", forge.random), ({ witness }) => ({ witness: witness.slice(1) })),
    kept: right("p2wpkh"),
  },
  {
    error: "EVAL_FALSE",
    broken: (forge) =>
      changed(makeLock("p2wpkh", forge.random), ({ witness }) => ({
        witness: [flipped(witness[0]!, witness[0]!.length - 8), witness[1]!],
      })),
    kept: right("p2wpkh"),
  },
  {
    error: "EQUALVERIFY",
    broken: (forge) =>
      changed(makeLock("p2wpkh", forge.random), ({ witness }) => ({
        witness: [witness[0]!, publicKeyOf(randomSecret(forge.random), true)],
      })),
    kept: right("p2wpkh"),
  },
  {
    error: "WITNESS_MALLEATED",
    broken: (forge) => changed(makeLock("p2wpkh", forge.random), () => ({ script: script(op.OP_1) })),
    kept: right("p2wpkh"),
  },
  {
    error: "WITNESS_MALLEATED_P2SH",
    broken: (forge) =>
      changed(makeLock("p2sh-p2wpkh", forge.random), ({ script: solution }) => ({
        script: concatBytes(script(op.OP_1), solution),
      })),
    kept: right("p2sh-p2wpkh"),
  },
  {
    error: "WITNESS_MALLEATED_P2SH",
    // The same push, a byte longer than needed.
    broken: (forge) =>
      changed(makeLock("p2sh-p2wpkh", forge.random), ({ script: solution }) => ({
        script: concatBytes(Uint8Array.of(op.OP_PUSHDATA1), solution),
      })),
    kept: right("p2sh-p2wpkh"),
  },
  {
    error: "WITNESS_UNEXPECTED",
    broken: (forge) => changed(makeLock("p2pkh", forge.random), () => ({ witness: [Uint8Array.of(1)] })),
    kept: right("p2pkh"),
  },
  {
    error: "EVAL_FALSE",
    // Uncompressed keys are a matter of policy, another amount is not.
    broken: (forge) => {
      const { secret, publicKey } = key(forge);
      const code = script(publicKey, op.OP_CHECKSIG);
      return {
        script: wrapScript(code, "bech32"),
        unlock: (signing, input) => ({
          script: NOTHING,
          witness: [signing.legacy(secret, input, code), code],
        }),
      };
    },
    kept: (forge) => {
      const secret = randomSecret(forge.random);
      const code = script(publicKeyOf(secret, false), op.OP_CHECKSIG);
      return {
        script: wrapScript(code, "bech32"),
        unlock: (signing, input) => ({
          script: NOTHING,
          witness: [signing.segwit(secret, input, code), code],
        }),
      };
    },
  },
];

const taprootKey = (change: (signature: Uint8Array) => Uint8Array) => (forge: BlockForge) =>
  changed(makeLock("p2tr-key", forge.random), ({ witness }) => ({ witness: [change(witness[0]!)] }));

/** `count` signature checks by one key in a tapscript. */
const manyChecks = (count: number) => (forge: BlockForge) => {
  const { secret, publicKey } = key(forge);
  const check = concatBytes(script(op.OP_DUP, publicKey.subarray(1), op.OP_CHECKSIGVERIFY));
  const leafScript = concatBytes(...new Array<Uint8Array>(count).fill(check));
  return tapscript(forge, leafScript, {
    stack: (signing, input, leaf) => [signing.taproot(secret, input, leaf)],
  });
};

const TAPROOT_CASES: readonly ScriptCase[] = [
  { error: "SCHNORR_SIG", broken: taprootKey((s) => flipped(s, 40)), kept: right("p2tr-key") },
  { error: "SCHNORR_SIG_SIZE", broken: taprootKey((s) => s.subarray(1)), kept: right("p2tr-key") },
  { error: "SCHNORR_SIG_SIZE", broken: taprootKey(() => NOTHING), kept: right("p2tr-key") },
  {
    error: "SCHNORR_SIG_HASHTYPE",
    broken: taprootKey((s) => concatBytes(s, Uint8Array.of(0))),
    kept: right("p2tr-key"),
  },
  {
    error: "SCHNORR_SIG_HASHTYPE",
    broken: taprootKey((s) => concatBytes(s, Uint8Array.of(4))),
    kept: right("p2tr-key"),
  },
  {
    error: "SCHNORR_SIG",
    broken: taprootKey((s) => concatBytes(s, Uint8Array.of(1))),
    kept: right("p2tr-key"),
  },
  {
    error: "SCHNORR_SIG",
    broken: (forge) => {
      const { secret, publicKey } = key(forge);
      const leafScript = script(publicKey.subarray(1), op.OP_CHECKSIG);
      // Signed as for the key path.
      return tapscript(forge, leafScript, { stack: (signing, input) => [signing.taproot(secret, input)] });
    },
    kept: right("p2tr-script"),
  },
  {
    error: "TAPROOT_WRONG_CONTROL_SIZE",
    broken: (forge) =>
      tapscript(forge, script(op.OP_1), { control: (block) => concatBytes(block, Uint8Array.of(0)) }),
    kept: (forge) => tapscript(forge, script(op.OP_1)),
  },
  {
    error: "WITNESS_PROGRAM_MISMATCH",
    broken: (forge) => tapscript(forge, script(op.OP_1), { control: (block) => flipped(block, 0) }),
    kept: (forge) => tapscript(forge, script(op.OP_1)),
  },
  {
    error: "WITNESS_PROGRAM_MISMATCH",
    broken: (forge) =>
      tapscript(forge, script(op.OP_1), { control: (block) => concatBytes(block, zeros(32)) }),
    kept: (forge) => tapscript(forge, script(op.OP_1)),
  },
  {
    error: "TAPSCRIPT_CHECKMULTISIG",
    broken: (forge) => tapscript(forge, script(op.OP_0, op.OP_0, op.OP_0, op.OP_CHECKMULTISIG)),
    kept: (forge) => tapscript(forge, script(op.OP_0, op.OP_IF, op.OP_CHECKMULTISIG, op.OP_ENDIF, op.OP_1)),
  },
  {
    error: "TAPSCRIPT_MINIMALIF",
    broken: (forge) => tapscript(forge, script(op.OP_2, op.OP_IF, op.OP_ENDIF, op.OP_1)),
    kept: () => p2wsh(script(op.OP_2, op.OP_IF, op.OP_ENDIF, op.OP_1)),
  },
  {
    error: "TAPSCRIPT_EMPTY_PUBKEY",
    broken: (forge) => tapscript(forge, script(op.OP_0, op.OP_0, op.OP_CHECKSIG, op.OP_NOT)),
    // A key of an unknown kind passes.
    kept: (forge) => tapscript(forge, script(op.OP_1, zeros(1), op.OP_CHECKSIG)),
  },
  {
    error: "SCHNORR_SIG_SIZE",
    broken: (forge) => tapscript(forge, script(op.OP_1, zeros(32), op.OP_CHECKSIG)),
    kept: (forge) => tapscript(forge, script(op.OP_0, zeros(32), op.OP_CHECKSIG, op.OP_NOT)),
  },
  { error: "TAPSCRIPT_VALIDATION_WEIGHT", broken: manyChecks(20), kept: manyChecks(5) },
  {
    error: "CLEANSTACK",
    broken: (forge) => tapscript(forge, script(op.OP_1, op.OP_1)),
    // OP_SUCCESS ends it at once, whatever else there is.
    kept: (forge) => tapscript(forge, script(op.OP_RETURN, op.OP_RESERVED)),
  },
  {
    error: "EVAL_FALSE",
    broken: (forge) => tapscript(forge, script(op.OP_0)),
    kept: (forge) => tapscript(forge, script(...repeat(op.OP_NOP, 300), op.OP_1)),
  },
];

/** Every way in which a script can fail that consensus knows. */
export const SCRIPT_CASES: readonly ScriptCase[] = [
  ...SIZE_CASES,
  ...FLOW_CASES,
  ...TIME_CASES,
  ...SIGNATURE_CASES,
  ...WITNESS_CASES,
  ...TAPROOT_CASES,
];
