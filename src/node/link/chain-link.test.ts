import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { test } from "node:test";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { chainSourceSuite } from "#money/ports/test-support/chain-source-suite.ts";
import { MemoryChain } from "#money/ports/test-support/memory-chain.ts";
import { Link } from "../link.ts";
import { LinkedChainSource, serveChain } from "./chain-link.ts";
import { LinkFailure } from "./own-calls.ts";

const parts = { clock: systemClock, log: silentLogger };

function across(chain: MemoryChain): { source: LinkedChainSource; end(): Promise<void> } {
  const [a, b] = duplexPair();
  const served = serveChain(chain);
  const main = new Link(a, served.methods, parts);
  const child = new Link(b, {}, parts);
  return {
    source: new LinkedChainSource(child),
    async end() {
      main.close("the test is over");
      await served.end();
    },
  };
}

chainSourceSuite("a chain behind the link", async () => {
  const chain = new MemoryChain(110);
  const { source, end } = across(chain);
  return {
    source,
    anyone: chain.anyone,
    mine: (script) => chain.mine(script),
    pay: (script, amount) => chain.pay(script, amount),
    spend: (txid, index, outputs) => chain.spend(txid, index, outputs),
    reorg: (depth) => chain.reorg(depth),
    async [Symbol.asyncDispose]() {
      await end();
      await chain[Symbol.asyncDispose]();
    },
  };
});

test("a follower behind the link neither hears nor changes what one before it follows", async () => {
  const chain = new MemoryChain(110);
  const { source, end } = across(chain);
  const [ours, theirs] = [Uint8Array.of(0x51), Uint8Array.of(0x52)];
  await chain.watch("wallet", [ours]);
  await source.watch("wallet", [theirs]);
  const heard: string[][] = [];
  source.changed.on(({ follower, change }) => {
    heard.push([follower, ...change.mempoolAdded.map(({ txid }) => txid)]);
  });
  await chain.pay(ours, 1000);
  const { txid } = await chain.pay(theirs, 2000);
  await source.tip();
  while (heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(heard, [["wallet", txid]]);
  await end();
  await chain[Symbol.asyncDispose]();
});

test("no more is followed than is allowed", async () => {
  const chain = new MemoryChain(110);
  const { source, end } = across(chain);
  for (let i = 0; i < 16; i++) await source.watch(`f${i}`, []);
  await assert.rejects(source.watch("one-more", []), (error: LinkFailure) => error.code === "limit");
  await assert.rejects(
    source.watch("no such name", []),
    (error: LinkFailure) => error.code === "bad-request",
  );
  await assert.rejects(source.watch("f1", [new Uint8Array(10_001)]), LinkFailure);
  await end();
  await assert.rejects(source.tip(), (error: LinkFailure) => error.code === "closed");
  await chain[Symbol.asyncDispose]();
});
