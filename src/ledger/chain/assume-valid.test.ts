import assert from "node:assert/strict";
import { test } from "node:test";
import { toHexReversed } from "#base/lib/bytes.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import {
  buildBlock,
  buildChain,
  FALSE_SCRIPT,
  genesisBlock,
  openTestChain,
  spend,
  type TestBlock,
  type TestChain,
  temporaryDirectory,
} from "./chain-fixture.ts";

const network = regtest();
const trunk = buildChain(network, genesisBlock(network), 101);
const locked = buildBlock(network, trunk.at(-1)!, {
  txs: [spend(trunk[0]!.txids[0]!, 0, [{ value: 1, script: FALSE_SCRIPT }])],
});
/** Breaks a script, and nothing else. */
const broken = buildBlock(network, locked, { txs: [spend(locked.txids[1]!, 0, [1])] });
const rest = buildChain(network, broken, 2150);
const chain = [...trunk, locked, broken, ...rest];
const BROKEN_HEIGHT = 103;

async function feed(world: TestChain, headers: readonly TestBlock[]): Promise<string | undefined> {
  const raw = new Uint8Array(80 * headers.length);
  for (const [i, block] of headers.entries()) raw.set(block.raw.subarray(0, 80), 80 * i);
  await world.chain.acceptHeaders(raw, { minPowChecked: true });
  for (const block of chain.slice(0, BROKEN_HEIGHT)) {
    const reason = await world.submit(block);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

const FAILED = /^block-script-verify-flag-failed/;

test("scripts before the block assumed valid are not run, when it is buried in the best chain", async () => {
  const assumeValid = toHexReversed(broken.hash);
  const cases: { headers: readonly TestBlock[]; assumeValid: string; says: string }[] = [
    { headers: chain, assumeValid: "0", says: "assumevalid=0 (always verify)" },
    { headers: [], assumeValid, says: "assumevalid hash not in headers" },
    { headers: chain.slice(0, 2000), assumeValid, says: "block too recent relative to best header" },
    {
      headers: chain,
      assumeValid: toHexReversed(locked.hash),
      says: "block height above assumevalid height",
    },
  ];
  for (const { headers, assumeValid, says } of cases) {
    const world = await openTestChain(temporaryDirectory(), { assumeValid });
    assert.match((await feed(world, headers)) ?? "", FAILED);
    const lines = world.log.filter((text) => text.startsWith("Enabling script verification"));
    assert.ok(
      lines.some((line) => line.endsWith(`: ${says}.`)),
      lines.join("\n"),
    );
    await world.chain.close();
  }
  const world = await openTestChain(temporaryDirectory(), { assumeValid });
  assert.equal(await feed(world, chain), undefined);
  assert.equal(world.chain.tip.height, BROKEN_HEIGHT);
  assert.ok(
    world.log.includes(`Disabling script verification at block #1 (${toHexReversed(trunk[0]!.hash)}).`),
  );
  assert.equal(world.log.filter((text) => text.includes("script verification")).length, 1, "said once");
  await world.chain.close();
});

test("a block beside the chain assumed valid is checked in full", async () => {
  const assumeValid = toHexReversed(broken.hash);
  const world = await openTestChain(temporaryDirectory(), { assumeValid });
  assert.equal(await feed({ ...world, submit: async () => undefined }, chain), undefined);
  await world.submitAll([...trunk, locked]);
  const beside = buildBlock(network, locked, { txs: [spend(locked.txids[1]!, 0, [1])], salt: 5 });
  assert.match((await world.submit(beside)) ?? "", FAILED);
  const line = world.log.findLast((text) => text.startsWith("Enabling script verification"));
  assert.ok(line?.endsWith("block not in assumevalid chain."), line);
  await world.chain.close();
});

test("it takes the minimum work too", async () => {
  const assumeValid = toHexReversed(broken.hash);
  const minimumChainWork = 2n * BigInt(chain.length) + 100n;
  const world = await openTestChain(temporaryDirectory(), { assumeValid, minimumChainWork });
  assert.match((await feed(world, chain)) ?? "", FAILED);
  const line = world.log.findLast((text) => text.startsWith("Enabling script verification"));
  assert.ok(line?.endsWith("best header chainwork below minimumchainwork."), line);
  await world.chain.close();
});
