import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WalletWorld } from "#money/wallet/test-support/wallet-world.ts";
import { decodeAddress, isAddressError } from "#protocol/bitcoin/address.ts";
import { regtest } from "#protocol/bitcoin/networks.ts";
import type { ApiContext } from "../context.ts";
import { type ApiServer, openApiServer } from "../server.ts";
import { testContext } from "../test-support/test-context.ts";

const TOKEN = "a-token-of-the-test";
// biome-ignore lint/suspicious/noExplicitAny: answers of many forms
type Reply = any;
const FOREIGN = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";

const servers: ApiServer[] = [];
after(async () => {
  for (const server of servers) await server.close();
});

async function world(withWallets = true) {
  const { chain, clock, manager: wallets } = new WalletWorld();
  const context: ApiContext = {
    ...testContext("/none", { state: "off", reason: "test" }),
    clock,
    ...(withWallets ? { wallets } : {}),
  };
  const server = await openApiServer({ port: 0, orNext: false, token: TOKEN, page: undefined }, context);
  servers.push(server);
  const call = async (
    method: "GET" | "POST",
    url: string,
    body?: object,
  ): Promise<{ status: number; json: Reply }> => {
    const reply = await fetch(`http://127.0.0.1:${server.port}/api${url}`, {
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: reply.status, json: await reply.json() };
  };
  const pay = async (address: string, amount: number) => {
    const decoded = decodeAddress(address, regtest());
    if (isAddressError(decoded)) throw new Error(decoded.error);
    await chain.pay(decoded.script, amount);
    await chain.mine();
  };
  return { chain, clock, call, pay };
}

test("a wallet is made, paid, looked at, and pays what its quote showed", async () => {
  const { call, pay, chain } = await world();
  assert.equal((await call("GET", "/wallet")).status, 404);
  const made = await call("POST", "/wallet/new", {});
  assert.equal(made.status, 200);
  assert.equal(made.json.name, "freehold");
  assert.equal(made.json.words.split(" ").length, 24);
  assert.equal((await call("POST", "/wallet/new", {})).status, 409);
  // As the page asks, without a body, and as a program may.
  const { json: first } = await call("POST", "/wallet/addresses");
  const { json: second } = await call("POST", "/wallet/addresses", { type: "bech32m", label: "rent" });
  await pay(first.address, 300_000);
  await pay(second.address, 200_000);
  const { json: wallet } = await call("GET", "/wallet");
  assert.deepEqual(
    [wallet.balance.trusted, wallet.locked, wallet.encrypted, wallet.height],
    [500_000, false, false, 112],
  );
  const { json: quote } = await call("POST", "/wallet/quote", { to: FOREIGN, amount: 123_456, feeRate: 2 });
  assert.deepEqual(quote.recipients, [{ address: FOREIGN, amount: 123_456 }]);
  assert.equal(quote.total, 123_456 + quote.fee);
  assert.deepEqual(chain.waiting, [], "a quote spends nothing");
  const sent = await call("POST", "/wallet/send", { quote: quote.quote, comment: "for May" });
  assert.equal(sent.json.fee, quote.fee);
  assert.deepEqual(chain.waiting, [sent.json.txid]);
  assert.equal(
    (await call("POST", "/wallet/send", { quote: quote.quote })).status,
    404,
    "a quote is sent once",
  );
  const { json: direct } = await call("POST", "/wallet/send", { to: FOREIGN, amount: 5000 });
  const { json: history } = await call("GET", "/wallet/history?limit=3");
  assert.deepEqual(
    history
      .slice(0, 2)
      .map(({ txid }: { txid: string }) => txid)
      .sort(),
    [sent.json.txid, direct.txid].sort(),
  );
  assert.ok(history.some(({ comment }: { comment?: string }) => comment === "for May"));
  assert.equal(history.at(-1).outputs.find(({ isMine }: { isMine: boolean }) => isMine).label, "rent");
});

test("what cannot be done is refused with a status and a reason", async () => {
  const { call, pay, clock } = await world();
  await call("POST", "/wallet/new", {});
  const { json: own } = await call("POST", "/wallet/addresses", {});
  await pay(own.address, 50_000);
  const quote = (body: object) => call("POST", "/wallet/quote", body);
  assert.equal((await quote({ to: "nonsense", amount: 1000 })).status, 400);
  assert.equal((await quote({ to: FOREIGN, amount: 0 })).status, 400);
  assert.equal((await quote({ to: FOREIGN, amount: 1.5 })).status, 400);
  assert.equal((await quote({ to: FOREIGN, amount: 1000, surprise: 1 })).status, 400);
  assert.deepEqual(await quote({ to: FOREIGN, amount: 60_000 }), {
    status: 409,
    json: { error: "Insufficient funds" },
  });
  assert.deepEqual(await call("GET", "/wallet?wallet=nobody"), {
    status: 404,
    json: { error: 'no wallet nobody is loaded; `freehold wallet new --wallet "nobody"` makes one' },
  });
  assert.equal((await call("POST", "/wallet/send", {})).status, 400);
  const { json: late } = await quote({ to: FOREIGN, amount: 1000 });
  clock.advance(11 * 60 * 1000);
  assert.equal((await call("POST", "/wallet/send", { quote: late.quote })).status, 404);
  const without = await world(false);
  assert.equal((await without.call("GET", "/wallet")).status, 503);
});

test("a passphrase locks what signs, and the words bring a wallet back under another name", async () => {
  const { call, pay } = await world();
  const { json: made } = await call("POST", "/wallet/new", { passphrase: "secret" });
  const { json: own } = await call("POST", "/wallet/addresses", {});
  await pay(own.address, 50_000);
  assert.equal((await call("POST", "/wallet/send", { to: FOREIGN, amount: 1000 })).status, 423);
  assert.equal((await call("POST", "/wallet/unlock", { passphrase: "wrong" })).status, 403);
  assert.equal(
    (await call("POST", "/wallet/unlock", { passphrase: "secret", seconds: 5 })).json.locked,
    false,
  );
  assert.equal((await call("POST", "/wallet/send", { to: FOREIGN, amount: 1000 })).status, 200);
  assert.equal((await call("POST", "/wallet/lock")).json.locked, true);
  assert.equal((await call("POST", "/wallet/words", {})).status, 403);
  assert.equal((await call("POST", "/wallet/words", { passphrase: "secret" })).json.words, made.words);
  const restored = await call("POST", "/wallet/restore", { name: "again", words: made.words });
  assert.equal(restored.status, 200);
  const { json: both } = await call("GET", "/wallets");
  assert.deepEqual(
    both.map(({ name }: { name: string }) => name),
    ["freehold", "again"],
  );
  assert.equal((await call("POST", "/wallet/restore", { name: "x", words: "not words" })).status, 400);
  assert.equal(
    (await call("POST", "/wallet/encrypt", { wallet: "again", passphrase: "p" })).json.locked,
    true,
  );
});
