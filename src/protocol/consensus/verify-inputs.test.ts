import assert from "node:assert/strict";
import { test } from "node:test";
import { type Verifier, verifier } from "#base/crypto/secp256k1.ts";
import { hash160 } from "#base/crypto/sha256.ts";
import { concatBytes } from "#base/lib/bytes.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { OP_CHECKSIG, OP_DUP, OP_EQUALVERIFY, OP_HASH160 } from "#protocol/bitcoin/opcodes.ts";
import { prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { buildScript, pushData } from "#protocol/bitcoin/script.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTx, parseTxs } from "#protocol/bitcoin/tx-table.ts";
import { makeKey } from "../../../test/interop/kernel/forge-keys.ts";
import { type ForgeOptions, forgeKeySpend, forgeSpend } from "../../../test/interop/kernel/forge-spend.ts";
import { mutateSpend, pick } from "../../../test/interop/kernel/mutate-spend.ts";
import { copySpend, type MutableSpend } from "../../../test/interop/kernel/script-seeds.ts";
import { fillFlags, interpretAll, type Spend, trimFlags } from "../../../test/support/script-spends.ts";
import { ALL_SCRIPT_FLAGS, SCRIPT_VERIFY_LOW_S, SCRIPT_VERIFY_NONE } from "./script-flags.ts";
import { InputVerifier, type ScriptFailure, verifyInputs, verifyTransaction } from "./verify-inputs.ts";

/** P2SH, DERSIG, NULLDUMMY, CLTV, CSV, WITNESS, TAPROOT. */
const CONSENSUS = 0x20e15;

function forgeOptions(seed: number): ForgeOptions {
  const random = new SeededRandom(seed);
  return { random, keys: Array.from({ length: 12 }, () => makeKey(random)), fillers: [Uint8Array.of(0x51)] };
}

function spendOf({ tx, prevouts }: MutableSpend): Spend {
  return { table: parseTx(encodeTransaction(tx)), prevouts: prevoutsOf(prevouts) };
}

function randomFlags(random: SeededRandom): number {
  const chance = random.below(4);
  if (chance === 0) return CONSENSUS;
  if (chance === 1) return ALL_SCRIPT_FLAGS;
  const some = random.u32() & ALL_SCRIPT_FLAGS;
  return chance === 2 ? fillFlags(CONSENSUS | some) : trimFlags(some);
}

/** A verifier that counts what reaches it one by one, which only the interpreter's checks do. */
function counting(): { verifier: Verifier; singles: () => number } {
  let count = 0;
  const counted: Verifier = {
    ...verifier,
    ecdsa: (...args) => {
      count++;
      return verifier.ecdsa(...args);
    },
    schnorr: (...args) => {
      count++;
      return verifier.schnorr(...args);
    },
  };
  return { verifier: counted, singles: () => count };
}

test("the usual spends, changed by chance, have the interpreter's verdict under all flags", (context) => {
  const options = forgeOptions(11);
  const { random } = options;
  let valid = 0;
  const runs = 3_000;
  const others = Array.from({ length: 50 }, () => forgeKeySpend(options, 1));
  for (let i = 0; i < runs; i++) {
    const made = forgeKeySpend(options, 1 + random.below(3));
    if (random.below(3) !== 0) mutateSpend(made, random, 1, others);
    const spend = spendOf(made);
    const flags = randomFlags(random);
    const expected = interpretAll(spend, flags);
    assert.deepEqual(verifyTransaction(spend.table, spend.prevouts, flags), expected, `run ${i}`);
    if (expected === undefined) valid++;
  }
  context.diagnostic(`${runs} spends, ${valid} valid`);
  assert.ok(valid > runs / 5 && valid < runs * 0.9);
});

test("each byte of what a usual spend is made of, with each of its bits flipped", (context) => {
  const options = forgeOptions(12);
  let flips = 0;
  let valid = 0;
  for (let i = 0; i < 10; i++) {
    const original = forgeKeySpend(options, 1);
    const input = original.tx.inputs[0]!;
    const parts = [input.script, ...input.witness, original.prevouts[0]!.script].map((part) => part.length);
    for (const [part, length] of parts.entries()) {
      for (let bit = 0; bit < 8 * length; bit += 3) {
        const flipped = copySpend(original);
        flipPart(flipped, part, bit);
        const spend = spendOf(flipped);
        for (const flags of [CONSENSUS, ALL_SCRIPT_FLAGS, SCRIPT_VERIFY_NONE]) {
          const expected = interpretAll(spend, flags);
          assert.deepEqual(verifyTransaction(spend.table, spend.prevouts, flags), expected);
          flips++;
          if (expected === undefined) valid++;
        }
      }
    }
  }
  context.diagnostic(`${flips} flips, ${valid} of them without effect`);
  assert.ok(flips > 10_000);
});

/** Parts in their order: the input's script, its witness, the output's script. */
function flipPart({ tx, prevouts }: MutableSpend, part: number, bit: number): void {
  const input = tx.inputs[0]!;
  const flip = (bytes: Uint8Array) => {
    const copy = bytes.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    return copy;
  };
  if (part === 0) input.script = flip(input.script);
  else if (part <= input.witness.length) input.witness[part - 1] = flip(input.witness[part - 1]!);
  else prevouts[0]!.script = flip(prevouts[0]!.script);
}

/** Many transactions end to end, as in a block. */
function joinSpends(spends: readonly MutableSpend[]): Spend {
  const raw = concatBytes(...spends.map(({ tx }) => encodeTransaction(tx)));
  const { table } = parseTxs(raw, 0, spends.length);
  return { table, prevouts: prevoutsOf(spends.flatMap(({ prevouts }) => prevouts)) };
}

/** Transaction by transaction, by the interpreter. */
function interpretRange(
  spends: readonly MutableSpend[],
  flags: number,
  fromTx: number,
  toTx: number,
): ScriptFailure | undefined {
  let input = 0;
  for (const [tx, made] of spends.entries()) {
    const failure = tx >= fromTx && tx < toTx ? interpretAll(spendOf(made), flags) : undefined;
    if (failure !== undefined) return { tx, input: input + failure.input, error: failure.error };
    input += made.tx.inputs.length;
  }
  return undefined;
}

test("of many transactions the first input that fails is named, whichever way it is verified", () => {
  const options = forgeOptions(13);
  const { random } = options;
  // Such that most verify, so that failures are far apart.
  const good: MutableSpend[] = [];
  while (good.length < 400) {
    const made = random.below(4) === 0 ? forgeSpend(options) : forgeKeySpend(options, 1 + random.below(3));
    if (interpretAll(spendOf(made), CONSENSUS) === undefined) good.push(made);
  }
  const whole = joinSpends(good);
  const job = { ...whole, flags: CONSENSUS, fromTx: 0, toTx: good.length };
  assert.equal(verifyInputs(job), undefined);
  assert.equal(verifyInputs({ ...job, fromTx: 5, toTx: 5 }), undefined);
  for (let round = 0; round < 60; round++) {
    const spends = [...good];
    for (let i = 1 + random.below(4); i > 0; i--) {
      const at = random.below(spends.length);
      const changed = copySpend(spends[at]!);
      mutateSpend(changed, random, 2, good);
      spends[at] = changed;
    }
    const joined = joinSpends(spends);
    const fromTx = random.below(100);
    const toTx = spends.length - random.below(100);
    const found = verifyInputs({ ...joined, flags: CONSENSUS, fromTx, toTx });
    assert.deepEqual(found, interpretRange(spends, CONSENSUS, fromTx, toTx), `round ${round}`);
  }
});

test("a transaction of more inputs than a group holds", () => {
  const options = { ...forgeOptions(14), plain: true };
  const large = forgeKeySpend(options, 700);
  const { table, prevouts } = spendOf(large);
  const { verifier: counted, singles } = counting();
  const inputs = new InputVerifier(counted);
  assert.equal(inputs.verify({ table, prevouts, flags: CONSENSUS, fromTx: 0, toTx: 1 }, true), undefined);
  assert.equal(singles(), 0);
  for (const input of [699, 300, 64, 63, 0]) {
    prevouts.amounts[input]! += 1;
    // Witness signatures commit to amounts, BIP341's to those of all inputs; legacy ones to none.
    const spend = { table, prevouts };
    assert.deepEqual(verifyTransaction(table, prevouts, CONSENSUS), interpretAll(spend, CONSENSUS));
  }
});

test("usual spends never reach the interpreter", () => {
  const options = { ...forgeOptions(15), plain: true };
  const { verifier: counted, singles } = counting();
  const inputs = new InputVerifier(counted);
  for (const flags of [CONSENSUS, ALL_SCRIPT_FLAGS & ~SCRIPT_VERIFY_LOW_S]) {
    const { table, prevouts } = joinSpends(Array.from({ length: 300 }, () => forgeKeySpend(options, 2)));
    assert.equal(inputs.verify({ table, prevouts, flags, fromTx: 0, toTx: 300 }, true), undefined);
  }
  assert.equal(singles(), 0);
});

test("a signature of 20 bytes that is the key's hash is deleted from the script, as the interpreter does", () => {
  // 14 <20 bytes> stands in the script as well as in the push of the signature.
  const { keys, random } = forgeOptions(16);
  const pubkey = pick(random, keys).compressed;
  const script = buildScript(OP_DUP, OP_HASH160, hash160(pubkey), OP_EQUALVERIFY, OP_CHECKSIG);
  const signature = concatBytes(
    Uint8Array.of(0x30, 17, 2, 6),
    new Uint8Array(6).fill(1),
    Uint8Array.of(2, 7),
  );
  const made: MutableSpend = {
    tx: {
      version: 1,
      lockTime: 0,
      inputs: [
        {
          txid: new Uint8Array(32),
          index: 0,
          script: concatBytes(
            pushData(concatBytes(signature, new Uint8Array(7).fill(1), Uint8Array.of(1))),
            pushData(pubkey),
          ),
          sequence: 0,
          witness: [],
        },
      ],
      outputs: [{ value: 1, script }],
    },
    prevouts: [{ amount: 1, script }],
  };
  const spend = spendOf(made);
  assert.deepEqual(verifyTransaction(spend.table, spend.prevouts, CONSENSUS), {
    input: 0,
    error: "EVAL_FALSE",
  });
});

test("a coinbase is passed over", () => {
  const { keys, random } = forgeOptions(17);
  const coinbase: MutableSpend = {
    tx: {
      version: 1,
      lockTime: 0,
      inputs: [
        {
          txid: new Uint8Array(32),
          index: 0xffff_ffff,
          script: Uint8Array.of(0x01, 0x01, 0xff),
          sequence: 0,
          witness: [new Uint8Array(32)],
        },
      ],
      outputs: [{ value: 1, script: buildScript(pick(random, keys).compressed, OP_CHECKSIG) }],
    },
    prevouts: [{ amount: 0, script: new Uint8Array(0) }],
  };
  const joined = joinSpends([coinbase]);
  assert.equal(verifyInputs({ ...joined, flags: CONSENSUS, fromTx: 0, toTx: 1 }), undefined);
});
