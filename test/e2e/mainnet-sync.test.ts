/** The first 4,312 blocks of the real chain, from one node to another over the wire. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { coinsHash } from "#ledger/chain/chain-fixture.ts";
import { TestNode, until } from "#ledger/peers/peer-fixture.ts";
import { main } from "#protocol/bitcoin/networks.ts";
import { NO_SHARED, sharedVector } from "../vectors/vectors.ts";

const blocks = sharedVector("chain/mainnet-0-4312.blk.dat");
const TIP = "00000000a9da635727dce622d78361b153ce3334e6a60d4377fad529abfc7863";
const COINS = "fa5670424a993c1c40c2ec80fdac5deaf80f14f3857ea2e16a1339ee7a596e62";
/** -minimumchainwork=0 -maxtipage=999999999 */
const LENIENT = { network: main, minimumChainWork: 0n, maxTipAge: 999_999_999 };

test("the chain's first blocks sync to a node that wants them, and are refused by one that wants more work", {
  skip: blocks === undefined ? NO_SHARED : false,
  timeout: 300_000,
}, async (t) => {
  const source = await TestNode.open(t, { chain: LENIENT });
  await source.test.chain.importBlocks([blocks!]);
  assert.equal(source.tip, TIP);

  const lenient = await TestNode.open(t, { chain: LENIENT, seed: 2 });
  await lenient.peers.connectOnce(source.address);
  await until(() => lenient.height === 4312, "4312 blocks", 240_000);
  assert.equal(lenient.tip, TIP);
  assert.equal(await coinsHash(lenient.test.chain), COINS);

  const strict = await TestNode.open(t, { chain: { network: main, maxTipAge: 86_400 }, seed: 3 });
  await strict.peers.connectOnce(source.address);
  const ended =
    "Initial headers sync ended with peer=0: incomplete headers message at height=4312 (presync phase)";
  await until(() => strict.log.includes(ended), "the end of the presync");
  assert.equal(strict.height, 0);
  assert.equal(strict.test.chain.headers.size, 1);
  assert.equal(strict.peers.peers()[0]!.presyncedHeaders, -1);
});
