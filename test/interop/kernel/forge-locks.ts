import { publicKeyOf, signEcdsaLowR, signSchnorr, tweakSecret } from "#base/crypto/keys.ts";
import { hash160, sha256 } from "#base/crypto/sha256.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import type { SeededRandom } from "#base/lib/random.ts";
import { multisigScript, wrapScript } from "#protocol/bitcoin/multisig.ts";
import { OP_0, OP_1, OP_CHECKSIG, OP_DUP, OP_EQUALVERIFY, OP_HASH160 } from "#protocol/bitcoin/opcodes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { buildScript, pushData } from "#protocol/bitcoin/script.ts";
import {
  legacySighash,
  SIGHASH_ALL,
  SIGHASH_DEFAULT,
  SighashMidstates,
  segwitV0Sighash,
  taprootSighash,
} from "#protocol/bitcoin/sighash.ts";
import { TAPSCRIPT_LEAF, tapLeafHash, taprootOutput, tapTweak } from "#protocol/bitcoin/taproot.ts";
import { type Transaction, type TransactionOutput, tableOf } from "#protocol/bitcoin/transaction.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";

/** What opens an input. */
export interface Unlocking {
  readonly script: Uint8Array;
  readonly witness: Uint8Array[];
}

/** An output's script and how to open it. */
export interface Lock {
  readonly kind: LockKind;
  readonly script: Uint8Array;
  /** Opens input `input` of an otherwise finished transaction. */
  unlock(signing: Signing, input: number): Unlocking;
}

export const LOCK_KINDS = [
  "anyone",
  "anyone-p2sh",
  "anyone-p2wsh",
  "anyone-p2tr",
  "p2pk",
  "p2pkh",
  "p2sh-multisig",
  "p2sh-p2wpkh",
  "p2wpkh",
  "p2wsh-multisig",
  "p2tr-key",
  "p2tr-script",
] as const;

export type LockKind = (typeof LOCK_KINDS)[number];

/** Kinds that cost no signature. */
export const FREE_KINDS: readonly LockKind[] = ["anyone", "anyone-p2sh", "anyone-p2wsh", "anyone-p2tr"];

const NOTHING = new Uint8Array(0);
const TRUE = Uint8Array.of(OP_1);

/** A transaction whose inputs are to be signed, and what they spend. */
export class Signing {
  readonly table: TxTable;
  readonly midstates: SighashMidstates;
  readonly #spent: readonly TransactionOutput[];

  constructor(tx: Transaction, spent: readonly TransactionOutput[]) {
    this.table = tableOf(tx);
    const prevouts = prevoutsOf(spent.map(({ value, script }) => ({ amount: value, script })));
    this.midstates = new SighashMidstates(this.table, 0, prevouts);
    this.#spent = spent;
  }

  legacy(
    secret: Uint8Array,
    input: number,
    scriptCode: Uint8Array,
    hashType: number = SIGHASH_ALL,
  ): Uint8Array {
    const digest = legacySighash(this.table, 0, input, scriptCode, hashType);
    return concatBytes(signEcdsaLowR(secret, digest), Uint8Array.of(hashType));
  }

  segwit(
    secret: Uint8Array,
    input: number,
    scriptCode: Uint8Array,
    hashType: number = SIGHASH_ALL,
  ): Uint8Array {
    const amount = this.#spent[input]!.value;
    const digest = segwitV0Sighash(this.midstates, input, scriptCode, amount, hashType);
    return concatBytes(signEcdsaLowR(secret, digest), Uint8Array.of(hashType));
  }

  /** @param leaf hash of the tapscript that is run; none for a key path. */
  taproot(secret: Uint8Array, input: number, leaf?: Uint8Array): Uint8Array {
    const commitment =
      leaf === undefined ? undefined : { tapleafHash: leaf, codeSeparatorPosition: 0xffff_ffff };
    const digest = taprootSighash(this.midstates, input, SIGHASH_DEFAULT, undefined, commitment);
    return signSchnorr(secret, digest!, new Uint8Array(32));
  }
}

/** Signs every input of `tx` by the locks of what it spends. */
export function signAll(
  tx: Transaction,
  coins: readonly { readonly value: number; readonly lock: Lock }[],
): void {
  const signing = new Signing(
    tx,
    coins.map(({ value, lock }) => ({ value, script: lock.script })),
  );
  for (const [i, { lock }] of coins.entries()) Object.assign(tx.inputs[i]!, lock.unlock(signing, i));
}

export function randomSecret(random: SeededRandom): Uint8Array {
  const secret = random.fill(new Uint8Array(32));
  // Below the order of the curve, and not zero.
  secret[0] = 1;
  return secret;
}

/** A lock of a kind with fresh keys. */
export function makeLock(kind: LockKind, random: SeededRandom): Lock {
  switch (kind) {
    case "anyone":
      return lockOf(kind, TRUE, () => ({ script: NOTHING, witness: [] }));
    case "anyone-p2sh":
      return lockOf(kind, wrapScript(TRUE, "legacy"), () => ({ script: pushData(TRUE), witness: [] }));
    case "anyone-p2wsh":
      return lockOf(kind, wrapScript(TRUE, "bech32"), () => ({ script: NOTHING, witness: [TRUE] }));
    case "anyone-p2tr":
      return tapscriptLock(kind, TRUE, randomSecret(random), () => []);
    case "p2tr-script":
      return tapscriptKeyLock(randomSecret(random), randomSecret(random));
    case "p2tr-key":
      return taprootKeyLock(randomSecret(random));
    case "p2sh-multisig":
    case "p2wsh-multisig":
      return multisigLock(
        kind,
        [0, 1, 2].map(() => randomSecret(random)),
      );
    default:
      return singleKeyLock(kind, randomSecret(random));
  }
}

function lockOf(kind: LockKind, script: Uint8Array, unlock: Lock["unlock"]): Lock {
  return { kind, script, unlock };
}

export function payToPubkeyHash(hash: Uint8Array): Uint8Array {
  return buildScript(OP_DUP, OP_HASH160, hash, OP_EQUALVERIFY, OP_CHECKSIG);
}

function singleKeyLock(kind: "p2pk" | "p2pkh" | "p2wpkh" | "p2sh-p2wpkh", secret: Uint8Array): Lock {
  const key = publicKeyOf(secret, true);
  const hash = hash160(key);
  const code = payToPubkeyHash(hash);
  const program = buildScript(OP_0, hash);
  switch (kind) {
    case "p2pk": {
      const script = buildScript(key, OP_CHECKSIG);
      const open = (signing: Signing, input: number) => buildScript(signing.legacy(secret, input, script));
      return lockOf(kind, script, (signing, input) => ({ script: open(signing, input), witness: [] }));
    }
    case "p2pkh":
      return lockOf(kind, code, (signing, input) => ({
        script: buildScript(signing.legacy(secret, input, code), key),
        witness: [],
      }));
    case "p2wpkh":
      return lockOf(kind, program, (signing, input) => ({
        script: NOTHING,
        witness: [signing.segwit(secret, input, code), key],
      }));
    case "p2sh-p2wpkh":
      return lockOf(kind, wrapScript(program, "legacy"), (signing, input) => ({
        script: pushData(program),
        witness: [signing.segwit(secret, input, code), key],
      }));
  }
}

/** Two of three. */
function multisigLock(kind: "p2sh-multisig" | "p2wsh-multisig", secrets: Uint8Array[]): Lock {
  const script = multisigScript(
    2,
    secrets.map((secret) => publicKeyOf(secret, true)),
  );
  const signers = [secrets[0]!, secrets[2]!];
  if (kind === "p2sh-multisig") {
    return lockOf(kind, wrapScript(script, "legacy"), (signing, input) => {
      const signatures = signers.map((secret) => signing.legacy(secret, input, script));
      return { script: buildScript(OP_0, ...signatures, script), witness: [] };
    });
  }
  return lockOf(kind, wrapScript(script, "bech32"), (signing, input) => {
    const signatures = signers.map((secret) => signing.segwit(secret, input, script));
    return { script: NOTHING, witness: [NOTHING, ...signatures, script] };
  });
}

function taprootKeyLock(secret: Uint8Array): Lock {
  const internal = publicKeyOf(secret, true).subarray(1);
  const output = taprootOutput(internal)!;
  const tweaked = tweakSecret(secret, tapTweak(internal, undefined))!;
  return lockOf("p2tr-key", output.script, (signing, input) => ({
    script: NOTHING,
    witness: [signing.taproot(tweaked, input)],
  }));
}

function tapscriptKeyLock(secret: Uint8Array, leafSecret: Uint8Array): Lock {
  const script = buildScript(publicKeyOf(leafSecret, true).subarray(1), OP_CHECKSIG);
  const leaf = tapLeafHash(script);
  return tapscriptLock("p2tr-script", script, secret, (signing, input) => [
    signing.taproot(leafSecret, input, leaf),
  ]);
}

/** A taproot output of one tapscript. */
export function tapscriptLock(
  kind: LockKind,
  script: Uint8Array,
  secret: Uint8Array,
  open: (signing: Signing, input: number) => Uint8Array[],
): Lock {
  const internal = publicKeyOf(secret, true).subarray(1);
  const output = taprootOutput(internal, [{ script, leafVersion: TAPSCRIPT_LEAF, depth: 0 }])!;
  const control = output.leaves[0]!.controlBlock;
  return lockOf(kind, output.script, (signing, input) => ({
    script: NOTHING,
    witness: [...open(signing, input), script, control],
  }));
}

/** Program of a witness script. */
export function witnessScriptHash(script: Uint8Array): Uint8Array {
  return buildScript(OP_0, sha256(script));
}
