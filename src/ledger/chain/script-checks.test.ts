import assert from "node:assert/strict";
import { test } from "node:test";
import { concatBytes } from "#base/lib/bytes.ts";
import { type Prevouts, prevoutsOf } from "#protocol/bitcoin/prevouts.ts";
import { encodeTransaction } from "#protocol/bitcoin/transaction.ts";
import { parseTxs, type TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { ScriptFailure } from "#protocol/consensus/verify-inputs.ts";
import { copySpend, type MutableSpend } from "../../../test/interop/kernel/script-seeds.ts";
import { wideSpend } from "../../../test/support/wide-spend.ts";
import { ScriptChecks } from "./script-checks.ts";

/** P2SH, DERSIG, NULLDUMMY, CLTV, CSV, WITNESS, TAPROOT. */
const CONSENSUS = 0x20e15;
/** Inputs of the large transaction. */
const MANY = 700;

const large = wideSpend(1, MANY);
/** Small ones before and after the large one. */
const spends = [wideSpend(2, 1), wideSpend(3, 5), large, wideSpend(4, 3), wideSpend(5, 129)];
const largeFrom = spends[0]!.tx.inputs.length + spends[1]!.tx.inputs.length;

function joined(some: readonly MutableSpend[]): { readonly table: TxTable; readonly prevouts: Prevouts } {
  const raw = concatBytes(...some.map(({ tx }) => encodeTransaction(tx)));
  const { table } = parseTxs(raw, 0, some.length);
  return { table, prevouts: prevoutsOf(some.flatMap(({ prevouts }) => prevouts)) };
}

/** The spends, where these inputs of the large one sign for another amount. */
function broken(...inputs: readonly number[]): MutableSpend[] {
  const copy = copySpend(large);
  for (const input of inputs) {
    const { script, witness } = copy.tx.inputs[input]!;
    const last = witness.findIndex((item) => item.length >= 64);
    const signature = last >= 0 ? witness[last]!.slice() : script.slice();
    signature[20]! ^= 1;
    if (last >= 0) copy.tx.inputs[input]!.witness[last] = signature;
    else copy.tx.inputs[input]!.script = signature;
  }
  return spends.map((spend) => (spend === large ? copy : spend));
}

function verify(checks: ScriptChecks, some: readonly MutableSpend[]): Promise<ScriptFailure | undefined> {
  const { table, prevouts } = joined(some);
  const block = checks.begin(table, CONSENSUS);
  block.add(prevouts, 0, table.txCount);
  return block.finish();
}

for (const par of [1, 2, 4]) {
  test(`of a transaction of ${MANY} inputs the first that fails is named, on ${par} threads`, async () => {
    const checks = new ScriptChecks(par);
    assert.equal(await verify(checks, spends), undefined);
    for (const inputs of [[0], [127, 128], [128], [MANY - 1], [650, 300], [400, 401, 699]]) {
      const failure = await verify(checks, broken(...inputs));
      assert.equal(failure?.tx, 2, `${inputs}`);
      assert.equal(failure?.input, largeFrom + Math.min(...inputs), `${inputs}`);
    }
    await checks.close();
  });
}

test("the event loop has its turns within a transaction of many inputs", async (context) => {
  // Each look at the time is a slice later, so that every piece of work is followed by a turn.
  let now = 0;
  context.mock.method(performance, "now", () => (now += 1000));
  let turns = 0;
  const count = () => {
    turns++;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  assert.equal(await verify(new ScriptChecks(1), [large]), undefined);
  clearImmediate(counting);
  assert.ok(turns >= 5, `${turns} turns`);
});
