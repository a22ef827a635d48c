/** Spends of every kind of output, signed with keys of ours: valid unless a choice by chance makes them not. */

import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import type { SeededRandom } from "#base/lib/random.ts";
import * as op from "#protocol/bitcoin/opcodes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { ANNEX_TAG, buildScript, pushData, pushNumber, ScriptReader } from "#protocol/bitcoin/script.ts";
import {
  legacySighash,
  SighashMidstates,
  segwitV0Sighash,
  type TapscriptCommitment,
  taprootSighash,
} from "#protocol/bitcoin/sighash.ts";
import { tapBranchHash, tapLeafHash } from "#protocol/bitcoin/taproot.ts";
import { type Transaction, tableOf } from "#protocol/bitcoin/transaction.ts";
import { type ForgeKey, signEcdsa, signSchnorr, tweakOutputKey, tweakSecretKey } from "./forge-keys.ts";
import { AMOUNTS, LOCK_TIMES, mutateScript, pick, SEQUENCES, VERSIONS } from "./mutate-spend.ts";
import type { MutableSpend, SpentOutput } from "./script-seeds.ts";

type Version = "base" | "witness-v0" | "tapscript";

/** A signature that a script asks for. */
interface Slot {
  /** `undefined`: an empty element. */
  readonly key: ForgeKey | undefined;
  /** Where its script code starts: after the last OP_CODESEPARATOR that ran. */
  readonly codeStart: number;
}

interface Puzzle {
  readonly script: Uint8Array;
  /** What the script takes, from the top of the stack down. */
  readonly takes: readonly (Slot | Uint8Array)[];
}

type Signer = (slot: Slot) => Uint8Array;

/** An output's script, and how the input that spends it is filled once the transaction stands. */
interface ForgedLock {
  readonly script: Uint8Array;
  readonly open: (tx: Transaction, spent: readonly SpentOutput[], input: number) => void;
}

const NOTHING = new Uint8Array(0);

export interface ForgeOptions {
  readonly random: SeededRandom;
  readonly keys: readonly ForgeKey[];
  /** Scripts that are put into branches which are not taken. */
  readonly fillers: readonly Uint8Array[];
  /** No hash type but the common one, compressed keys, no annex; with that a spend is valid. */
  readonly plain?: boolean;
}

/** A transaction of one to three inputs of any kind, each signed. */
export function forgeSpend(options: ForgeOptions): MutableSpend {
  const locks = Array.from({ length: 1 + options.random.below(3) }, () => forgeLock(options));
  return spendLocks(options, locks);
}

/** A transaction whose inputs spend to key hashes and taproot keys. */
export function forgeKeySpend(options: ForgeOptions, inputs: number): MutableSpend {
  const locks = Array.from({ length: inputs }, () => forgeKeyLock(options));
  return spendLocks(options, locks);
}

function spendLocks(options: ForgeOptions, locks: readonly ForgedLock[]): MutableSpend {
  const { random } = options;
  const prevouts = locks.map(({ script }) => ({ amount: pick(random, AMOUNTS), script }));
  const tx: Transaction = {
    version: random.below(4) === 0 ? pick(random, VERSIONS) : 2,
    lockTime: random.below(4) === 0 ? pick(random, LOCK_TIMES) : 0,
    inputs: locks.map(() => ({
      txid: random.fill(new Uint8Array(32)),
      index: random.below(4),
      script: NOTHING,
      sequence: random.below(4) === 0 ? pick(random, SEQUENCES) : 0xffff_fffd,
      witness: [],
    })),
    outputs: Array.from({ length: random.below(8) === 0 ? 0 : 1 + random.below(3) }, () => ({
      value: pick(random, AMOUNTS),
      script: random.fill(new Uint8Array(random.below(35))),
    })),
  };
  for (const [input, lock] of locks.entries()) lock.open(tx, prevouts, input);
  return { tx, prevouts };
}

function forgeLock(options: ForgeOptions): ForgedLock {
  const { random } = options;
  switch (random.below(10)) {
    case 0:
      return bareLock(options);
    case 1:
      return scriptHashLock(options);
    case 2:
      return witnessScriptHashLock(options, false);
    case 3:
      return witnessScriptHashLock(options, true);
    case 4:
    case 5:
      return tapscriptLock(options);
    default:
      return forgeKeyLock(options);
  }
}

function forgeKeyLock(options: ForgeOptions): ForgedLock {
  switch (options.random.below(4)) {
    case 0:
      return pubkeyHashLock(options);
    case 1:
      return witnessPubkeyHashLock(options, false);
    case 2:
      return witnessPubkeyHashLock(options, true);
    default:
      return taprootKeyLock(options);
  }
}

/** Pushes as they come, now and then with a longer opcode than needed. */
function pushAll(items: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  return concatBytes(
    ...items.map((item) =>
      random.below(16) === 0 && item.length < 256
        ? concatBytes(Uint8Array.of(op.OP_PUSHDATA1, item.length), item)
        : pushData(item),
    ),
  );
}

function solve(puzzle: Puzzle, sign: Signer): Uint8Array[] {
  return puzzle.takes.map((take) => (take instanceof Uint8Array ? take : sign(take))).reverse();
}

function bareLock(options: ForgeOptions): ForgedLock {
  const puzzle = forgePuzzle(options, "base");
  return {
    script: puzzle.script,
    open: (tx, _spent, input) => {
      const items = solve(puzzle, legacySigner(options, tx, input, puzzle.script));
      tx.inputs[input]!.script = pushAll(items, options.random);
    },
  };
}

function pubkeyHashLock(options: ForgeOptions): ForgedLock {
  const { random } = options;
  const key = pick(random, options.keys);
  const pubkey = options.plain === true ? key.compressed : legacyPubkey(key, random);
  const script = keyHashScript(pubkey);
  return {
    script,
    open: (tx, _spent, input) => {
      const signature = legacySigner(options, tx, input, script)({ key, codeStart: 0 });
      const items = [signature, pubkey];
      tx.inputs[input]!.script =
        options.plain === true ? concatBytes(...items.map(pushData)) : pushAll(items, random);
    },
  };
}

function scriptHashLock(options: ForgeOptions): ForgedLock {
  const puzzle = forgePuzzle(options, "base");
  return {
    script: buildScript(op.OP_HASH160, hash160(puzzle.script), op.OP_EQUAL),
    open: (tx, _spent, input) => {
      const items = solve(puzzle, legacySigner(options, tx, input, puzzle.script));
      tx.inputs[input]!.script = pushAll([...items, puzzle.script], options.random);
    },
  };
}

function witnessPubkeyHashLock(options: ForgeOptions, nested: boolean): ForgedLock {
  const { random } = options;
  const key = pick(random, options.keys);
  const uncompressed = options.plain !== true && random.below(8) === 0;
  const pubkey = uncompressed ? key.uncompressed : key.compressed;
  const program = buildScript(op.OP_0, hash160(pubkey));
  return nestedLock(program, nested, (tx, spent, input) => {
    const sign = witnessSigner(options, tx, spent, input, keyHashScript(pubkey));
    tx.inputs[input]!.witness = [sign({ key, codeStart: 0 }), pubkey];
  });
}

function witnessScriptHashLock(options: ForgeOptions, nested: boolean): ForgedLock {
  const puzzle = forgePuzzle(options, "witness-v0");
  const program = buildScript(op.OP_0, sha256(puzzle.script));
  return nestedLock(program, nested, (tx, spent, input) => {
    const sign = witnessSigner(options, tx, spent, input, puzzle.script);
    tx.inputs[input]!.witness = [...solve(puzzle, sign), puzzle.script];
  });
}

function nestedLock(program: Uint8Array, nested: boolean, open: ForgedLock["open"]): ForgedLock {
  if (!nested) return { script: program, open };
  return {
    script: buildScript(op.OP_HASH160, hash160(program), op.OP_EQUAL),
    open: (tx, spent, input) => {
      tx.inputs[input]!.script = pushData(program);
      open(tx, spent, input);
    },
  };
}

function taprootKeyLock(options: ForgeOptions): ForgedLock {
  const { random } = options;
  const key = pick(random, options.keys);
  const root = random.below(2) === 0 ? undefined : random.fill(new Uint8Array(32));
  const script = buildScript(op.OP_1, tweakOutputKey(key.xOnly, root)!.outputKey);
  return {
    script,
    open: (tx, spent, input) => {
      const annex = forgeAnnex(options);
      const signature = taprootSignature(options, tweakSecretKey(key, root), tx, spent, input, annex);
      tx.inputs[input]!.witness = [signature, ...annex];
    },
  };
}

function tapscriptLock(options: ForgeOptions): ForgedLock {
  const { random } = options;
  const key = pick(random, options.keys);
  const puzzle = forgePuzzle(options, "tapscript");
  const leafVersion = random.below(16) === 0 ? 0xc2 : 0xc0;
  const tapleafHash = tapLeafHash(puzzle.script, leafVersion);
  const path = Array.from({ length: random.below(4) }, () => random.fill(new Uint8Array(32)));
  const root = path.reduce(tapBranchHash, tapleafHash);
  const { outputKey, parity } = tweakOutputKey(key.xOnly, root)!;
  const control = concatBytes(Uint8Array.of(leafVersion | parity), key.xOnly, ...path);
  return {
    script: buildScript(op.OP_1, outputKey),
    open: (tx, spent, input) => {
      const annex = forgeAnnex(options);
      const sign: Signer = ({ key: signer, codeStart }) => {
        if (signer === undefined) return NOTHING;
        const codeSeparatorPosition = separatorPosition(puzzle.script, codeStart);
        const leaf = { tapleafHash, codeSeparatorPosition };
        return taprootSignature(options, signer.secret, tx, spent, input, annex, leaf);
      };
      tx.inputs[input]!.witness = [...solve(puzzle, sign), puzzle.script, control, ...annex];
    },
  };
}

function forgeAnnex({ random, plain }: ForgeOptions): Uint8Array[] {
  if (plain === true || random.below(6) !== 0) return [];
  return [concatBytes(Uint8Array.of(ANNEX_TAG), random.fill(new Uint8Array(random.below(300))))];
}

function keyHashScript(pubkey: Uint8Array): Uint8Array {
  return buildScript(op.OP_DUP, op.OP_HASH160, hash160(pubkey), op.OP_EQUALVERIFY, op.OP_CHECKSIG);
}

function legacyPubkey(key: ForgeKey, random: SeededRandom): Uint8Array {
  const chance = random.below(16);
  return chance === 0 ? key.hybrid : chance < 5 ? key.uncompressed : key.compressed;
}

/** Index of the opcode that ends at `codeStart`, as BIP342 counts; 0xffffffff where there is none. */
function separatorPosition(script: Uint8Array, codeStart: number): number {
  if (codeStart === 0) return 0xffff_ffff;
  const reader = new ScriptReader(script);
  let index = -1;
  while (reader.at < codeStart && reader.next()) index++;
  return index;
}

const HASH_TYPES = [1, 2, 3, 0x81, 0x82, 0x83];

function ecdsaHashType({ random, plain }: ForgeOptions): number {
  if (plain === true) return 1;
  const chance = random.below(16);
  return chance === 0 ? random.below(256) : chance < 8 ? 1 : pick(random, HASH_TYPES);
}

function legacySigner(options: ForgeOptions, tx: Transaction, input: number, script: Uint8Array): Signer {
  const table = tableOf(tx);
  return ({ key, codeStart }) => {
    if (key === undefined) return NOTHING;
    const hashType = ecdsaHashType(options);
    const digest = legacySighash(table, 0, input, script.subarray(codeStart), hashType);
    return concatBytes(signEcdsa(key.secret, digest, options.random), Uint8Array.of(hashType));
  };
}

function witnessSigner(
  options: ForgeOptions,
  tx: Transaction,
  spent: readonly SpentOutput[],
  input: number,
  script: Uint8Array,
): Signer {
  const midstates = new SighashMidstates(tableOf(tx), 0);
  return ({ key, codeStart }) => {
    if (key === undefined) return NOTHING;
    const hashType = ecdsaHashType(options);
    const { amount } = spent[input]!;
    const digest = segwitV0Sighash(midstates, input, script.subarray(codeStart), amount, hashType);
    return concatBytes(signEcdsa(key.secret, digest, options.random), Uint8Array.of(hashType));
  };
}

function taprootSignature(
  { random, plain }: ForgeOptions,
  secret: Uint8Array,
  tx: Transaction,
  spent: readonly SpentOutput[],
  input: number,
  annex: readonly Uint8Array[],
  leaf?: TapscriptCommitment,
): Uint8Array {
  const hashType = plain === true || random.below(2) === 0 ? 0 : pick(random, HASH_TYPES);
  const midstates = new SighashMidstates(tableOf(tx), 0, prevoutsOf(spent));
  const annexHash = annex[0] && sha256(new ByteWriter().varBytes(annex[0]).finish());
  // SIGHASH_SINGLE without an output cannot be signed: any digest will do.
  const digest = taprootSighash(midstates, input, hashType, annexHash, leaf) ?? new Uint8Array(32);
  const signature = signSchnorr(secret, digest);
  return hashType === 0 ? signature : concatBytes(signature, Uint8Array.of(hashType));
}

/** Appends to a script and keeps where the last OP_CODESEPARATOR stands. */
class ScriptForge {
  script: Uint8Array = NOTHING;
  codeStart = 0;
  readonly takes: (Slot | Uint8Array)[] = [];

  add(...parts: (number | Uint8Array)[]): void {
    this.script = concatBytes(this.script, buildScript(...parts));
  }

  raw(bytes: Uint8Array): void {
    this.script = concatBytes(this.script, bytes);
  }

  separate(): void {
    this.add(op.OP_CODESEPARATOR);
    this.codeStart = this.script.length;
  }

  takeSignature(key: ForgeKey | undefined): void {
    this.takes.push({ key, codeStart: this.codeStart });
  }
}

/** A script that asks for signatures, dressed with branches not taken, separators and lock times. */
function forgePuzzle(options: ForgeOptions, version: Version): Puzzle {
  const { random } = options;
  const forge = new ScriptForge();
  dress(forge, options);
  if (random.below(3) === 0) {
    forgeCheck(forge, options, version, true);
    dress(forge, options);
  }
  forgeCheck(forge, options, version, false);
  return { script: forge.script, takes: forge.takes };
}

/** Tapscript takes the first two alone. */
const CONDITIONS = [[], [1], [1], [0], [0x80], [2], [1, 0], [0, 0]].map((bytes) => Uint8Array.from(bytes));

function dress(forge: ScriptForge, { random, fillers }: ForgeOptions): void {
  for (let i = random.below(3); i > 0; i--) {
    switch (random.below(7)) {
      case 0:
        forge.separate();
        break;
      case 4:
        forge.add(pick(random, [op.OP_IF, op.OP_NOTIF]), op.OP_NOP, op.OP_ELSE, op.OP_NOP, op.OP_ENDIF);
        forge.takes.push(pick(random, CONDITIONS));
        break;
      case 5:
        forge.raw(mutateScript(buildScript(op.OP_1, op.OP_DROP), random, pick(random, fillers)));
        break;
      case 1:
        forge.add(op.OP_0, op.OP_IF);
        forge.raw(pick(random, fillers));
        forge.add(op.OP_ENDIF);
        break;
      case 2:
        forge.raw(pushNumber(pick(random, LOCK_TIMES)));
        forge.add(op.OP_CHECKLOCKTIMEVERIFY, op.OP_DROP);
        break;
      case 3:
        forge.raw(pushNumber(pick(random, SEQUENCES)));
        forge.add(op.OP_CHECKSEQUENCEVERIFY, op.OP_DROP);
        break;
      default:
        forge.add(op.OP_NOP);
    }
  }
}

/** @param goesOn whether more of the script follows, so that this check verifies. */
function forgeCheck(forge: ScriptForge, options: ForgeOptions, version: Version, goesOn: boolean): void {
  const { random } = options;
  const chance = random.below(4);
  if (chance === 0) {
    // What is not signed, and must not be.
    const key = pick(random, options.keys);
    forge.add(pubkeyFor(key, version, random), op.OP_CHECKSIG, op.OP_NOT);
    if (goesOn) forge.add(op.OP_VERIFY);
    forge.takeSignature(undefined);
  } else if (chance === 1 && version === "tapscript") {
    forgeCheckSigAdd(forge, options, goesOn);
  } else if (chance === 1) {
    forgeMultisig(forge, options, version, goesOn);
  } else {
    const key = pick(random, options.keys);
    const unknown = version === "tapscript" && random.below(8) === 0;
    const pubkey = unknown
      ? random.fill(new Uint8Array(1 + random.below(40)))
      : pubkeyFor(key, version, random);
    forge.add(pubkey, goesOn ? op.OP_CHECKSIGVERIFY : op.OP_CHECKSIG);
    forge.takeSignature(key);
  }
}

function pubkeyFor(key: ForgeKey, version: Version, random: SeededRandom): Uint8Array {
  return version === "tapscript" ? key.xOnly : legacyPubkey(key, random);
}

function forgeMultisig(forge: ScriptForge, options: ForgeOptions, version: Version, goesOn: boolean): void {
  const { random } = options;
  const keys = Array.from({ length: 1 + random.below(4) }, () => pick(random, options.keys));
  const required = random.below(keys.length + 1);
  forge.raw(pushNumber(required));
  for (const key of keys) forge.add(pubkeyFor(key, version, random));
  forge.raw(pushNumber(keys.length));
  forge.add(goesOn ? op.OP_CHECKMULTISIGVERIFY : op.OP_CHECKMULTISIG);
  // From the top: the last key's signature first.
  let left = required;
  for (let i = keys.length - 1; i >= 0 && left > 0; i--) {
    if (i + 1 > left && random.below(2) === 0) continue;
    forge.takeSignature(keys[i]);
    left--;
  }
  forge.takes.push(random.below(16) === 0 ? Uint8Array.of(1) : NOTHING);
}

function forgeCheckSigAdd(forge: ScriptForge, options: ForgeOptions, goesOn: boolean): void {
  const { random } = options;
  const keys = Array.from({ length: 1 + random.below(4) }, () => pick(random, options.keys));
  let signed = 0;
  for (const [i, key] of keys.entries()) {
    forge.add(key.xOnly, i === 0 ? op.OP_CHECKSIG : op.OP_CHECKSIGADD);
    const present = random.below(2) === 0;
    forge.takeSignature(present ? key : undefined);
    if (present) signed++;
  }
  forge.raw(pushNumber(signed));
  forge.add(goesOn ? op.OP_NUMEQUALVERIFY : op.OP_NUMEQUAL);
}
