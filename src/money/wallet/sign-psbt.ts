/** Signs a reviewed PSBT with keys derived for the moment, and checks the result as a node would. */
import { toHex } from "#base/lib/bytes.ts";
import { masterKey } from "#protocol/bitcoin/bip32.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { SighashMidstates } from "#protocol/bitcoin/sighash.ts";
import { InputSigner } from "#protocol/bitcoin/sign-input.ts";
import { SigningProvider } from "#protocol/bitcoin/signing-provider.ts";
import { encodeTransaction, type Transaction, tableOf } from "#protocol/bitcoin/transaction.ts";
import { verifyScript } from "#protocol/consensus/interpreter.ts";
import { TxSignatureChecker } from "#protocol/consensus/signature-checker.ts";
import { STANDARD_SCRIPT_VERIFY_FLAGS } from "#protocol/policy/policy-flags.ts";
import { derivePath } from "./keychains.ts";
import type { OwnPsbt } from "./review.ts";

/**
 * The signed transaction.
 * @param seed BIP39 seed
 * @throws Error when a signature does not check: the seed is another's, or a computation went wrong
 */
export function signPsbt({ read, inputs }: OwnPsbt, seed: Uint8Array): Uint8Array {
  const { unsigned } = read;
  const master = masterKey(seed);
  const provider = new SigningProvider();
  for (const { own } of inputs) {
    const { secretKey } = derivePath(master, [...own.chain.path, own.index]);
    provider.addSecret(secretKey, true);
  }
  const prevouts = prevoutsOf(inputs.map(({ amount, own }) => ({ amount, script: own.script })));
  const table = tableOf(unsigned);
  const signer = new InputSigner({ table, prevouts, provider, hashType: undefined });
  const signed: Transaction = {
    ...unsigned,
    inputs: unsigned.inputs.map((input, i) => ({ ...input, ...signer.sign(i, []) })),
  };
  const midstates = new SighashMidstates(tableOf(signed), 0, prevouts);
  for (const [i, input] of signed.inputs.entries()) {
    const checker = new TxSignatureChecker(midstates, i, prevouts.amount(i));
    const { script } = inputs[i]!.own;
    const error = verifyScript(input.script, script, input.witness, STANDARD_SCRIPT_VERIFY_FLAGS, checker);
    if (error !== undefined)
      throw new Error(`the signature of input ${i} (${toHex(script)}) fails: ${error}`);
  }
  return encodeTransaction(signed);
}
