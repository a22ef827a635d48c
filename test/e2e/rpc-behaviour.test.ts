/** What methods do, beyond the form of their answers. */
import assert from "node:assert/strict";
import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Reply, until } from "./node-process.ts";
import { withChecksum } from "./rpc-cases.ts";
import { KEYS, KINDS, type Kind, RpcWorld } from "./rpc-world.ts";

const XPUB =
  "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";

suite("methods do what they say", () => {
  let world: RpcWorld;
  const call = (method: string, ...params: Reply[]): Promise<Reply> => world.node.rpc(method, params);

  before(async () => {
    // Peers without a ban are sent transactions at once, not after a random wait.
    world = await RpcWorld.build(["-whitelist=noban@127.0.0.1"]);
  });

  after(() => world?.[Symbol.asyncDispose]());

  test("every kind of output is spent with the caller's keys, and mined", async () => {
    const before = await call("gettxoutsetinfo");
    const txids: string[] = [];
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const coin = world.takeCoin(kind);
      const hex = await world.signed(coin);
      const [judged] = await call("testmempoolaccept", [hex]);
      assert.equal(judged.allowed, true, `${kind}: ${judged["reject-details"]}`);
      assert.equal(judged.fees.base, 0.0001);
      txids.push(await call("sendrawtransaction", hex));
      assert.equal(await call("gettxout", coin.txid, coin.vout), null);
      assert.notEqual(await call("gettxout", coin.txid, coin.vout, false), null);
    }
    const [hash] = await world.mine();
    const block = await call("getblock", hash, 3);
    assert.deepEqual(
      block.tx
        .slice(1)
        .map(({ txid }: Reply) => txid)
        .sort(),
      txids.sort(),
    );
    assert.equal(block.nTx, txids.length + 1);
    for (const tx of block.tx.slice(1)) {
      assert.equal(tx.fee, 0.0001);
      assert.equal(tx.vin[0].prevout.generated, true);
      assert.equal(tx.vin[0].prevout.value, tx.vout[0].value + 0.0001);
    }
    const reward = block.tx[0].vout[0].value;
    assert.equal(reward, 50 + 0.0001 * txids.length);
    assert.equal((await call("gettxoutsetinfo")).total_amount, before.total_amount + 50);
    assert.equal(await call("verifychain", 4, 0), true);
  });

  test("a block in four depths", async () => {
    const hash = await call("getbestblockhash");
    const raw: string = await call("getblock", hash, 0);
    const [one, two, three] = await Promise.all(
      [1, 2, 3].map((verbosity) => call("getblock", hash, verbosity)),
    );
    assert.equal(raw.length / 2, one.size);
    assert.deepEqual(await call("getblock", hash), one);
    assert.deepEqual(await call("getblock", hash, true), one);
    assert.equal(await call("getblock", hash, false), raw);
    assert.deepEqual(
      two.tx.map(({ txid }: Reply) => txid),
      one.tx,
    );
    assert.equal(two.tx[1].vin[0].prevout, undefined);
    assert.ok(three.tx[1].vin[0].prevout.height > 0);
    assert.equal(raw.slice(0, 160), await call("getblockheader", hash, false));
    assert.equal(one.previousblockhash, await call("getblockhash", one.height - 1));
    assert.equal(one.nextblockhash, undefined);
    // Amounts have eight decimals in the text.
    const { text } = await world.node.post(JSON.stringify({ method: "getblock", params: [hash, 3] }));
    assert.match(text, /"value":50\.00090000/);
    assert.match(text, /"fee":0\.00010000/);
  });

  test("a transaction of a block, and one that waits", async () => {
    const hash = await call("getbestblockhash");
    const { tx } = await call("getblock", hash);
    const mined = await call("getrawtransaction", tx[1], 2, hash);
    assert.deepEqual(
      [mined.in_active_chain, mined.confirmations, mined.blockhash, mined.fee],
      [true, 1, hash, 0.0001],
    );
    assert.equal(await call("getrawtransaction", tx[1], 0, hash), mined.hex);
    assert.deepEqual(await call("decoderawtransaction", mined.hex), {
      ...Object.fromEntries(
        ["txid", "hash", "version", "size", "vsize", "weight", "locktime", "vout"].map((name) => [
          name,
          mined[name],
        ]),
      ),
      vin: mined.vin.map(({ prevout: _, ...input }: Reply) => input),
    });
    const hex = await world.signed();
    const txid = await call("sendrawtransaction", hex);
    assert.equal(await call("getrawtransaction", txid), hex);
    assert.equal((await call("getrawtransaction", txid, 1)).blockhash, undefined);
  });

  test("a reorg brings transactions back, and its tips are told", async () => {
    const { node, peer } = world;
    const txid = await call("sendrawtransaction", await world.signed());
    const [left] = await world.mine();
    const height = await call("getblockcount");
    assert.deepEqual(await call("getrawmempool"), []);
    await call("invalidateblock", left);
    assert.equal(await call("getblockcount"), height - 1);
    assert.ok((await call("getrawmempool")).includes(txid));
    const tips = await call("getchaintips");
    assert.deepEqual(
      tips.find(({ hash }: Reply) => hash === left),
      { height, hash: left, branchlen: 1, status: "invalid" },
    );
    assert.equal((await call("getblockheader", left)).confirmations, -1);
    const stale = await call("getrawtransaction", txid, 1, left);
    assert.deepEqual([stale.in_active_chain, stale.confirmations, stale.time], [false, 0, undefined]);
    const branch = await node.rpc("generatetodescriptor", [2, await withChecksum(world, KINDS.p2pk)]);
    assert.equal(await call("getbestblockhash"), branch[1]);
    await call("reconsiderblock", left);
    assert.equal(await call("getbestblockhash"), branch[1]);
    const status = (await call("getchaintips")).find(({ hash }: Reply) => hash === left).status;
    assert.equal(status, "valid-fork");
    await until("the peer follows", async () => (await peer.rpc("getbestblockhash")) === branch[1]);
    assert.equal(
      (await call("gettxoutsetinfo", "muhash")).muhash,
      (await peer.rpc("gettxoutsetinfo", ["muhash"])).muhash,
    );
  });

  test("a block of the same work is taken when it is called precious", async () => {
    const tip = await call("getbestblockhash");
    const [first] = await world.mine();
    await call("invalidateblock", first);
    const [second] = await call("generatetodescriptor", 1, await withChecksum(world, KINDS.p2pk));
    await call("reconsiderblock", first);
    // Of two with the same work the one that came first counts, until another is called precious.
    assert.equal(await call("getbestblockhash"), first);
    await call("preciousblock", second);
    assert.equal(await call("getbestblockhash"), second);
    assert.equal((await call("getblockheader", second)).previousblockhash, tip);
  });

  test("templates are mined, proposed and submitted", async () => {
    const txid = await call("sendrawtransaction", await world.signed());
    const template = await call("getblocktemplate", { rules: ["segwit"] });
    assert.equal(template.previousblockhash, await call("getbestblockhash"));
    assert.equal(template.height, (await call("getblockcount")) + 1);
    assert.ok(template.transactions.some((tx: Reply) => tx.txid === txid && tx.fee === 10_000));
    assert.ok(template.rules.includes("!segwit"));
    const { hash, hex } = await call("generateblock", world.address, [txid], false);
    assert.equal(await call("getblocktemplate", { mode: "proposal", data: hex, rules: ["segwit"] }), null);
    assert.equal((await call("getmininginfo")).pooledtx > 0, true);
    assert.equal(await call("submitblock", hex), null);
    assert.equal(await call("getbestblockhash"), hash);
    assert.equal(await call("submitblock", hex), "duplicate");
    assert.equal(
      await call("getblocktemplate", { mode: "proposal", data: hex, rules: ["segwit"] }),
      "duplicate",
    );
    const header = await call("getblockheader", hash, false);
    assert.equal(await call("submitheader", header), null);
  });

  test("a long poll and the waiting methods end with the next block", async () => {
    const { longpollid } = await call("getblocktemplate", { rules: ["segwit"] });
    const height = await call("getblockcount");
    const waiting = [
      call("getblocktemplate", { rules: ["segwit"], longpollid }),
      call("waitfornewblock"),
      call("waitforblockheight", height + 1),
    ];
    // They are under way before the block comes.
    await until("the calls wait", async () => (await call("getrpcinfo")).active_commands.length >= 4);
    const [hash] = await world.mine();
    const [template, ...blocks] = await Promise.all(waiting);
    assert.equal(template.previousblockhash, hash);
    for (const block of blocks) assert.deepEqual(block, { hash, height: height + 1 });
    assert.deepEqual(await call("waitforblock", hash, 1), { hash, height: height + 1 });
    assert.deepEqual(await call("waitforblock", "00".repeat(32), 1), { hash, height: height + 1 });
    assert.deepEqual(await call("waitforblockheight", height + 5, 1), { hash, height: height + 1 });
    assert.deepEqual(await call("waitfornewblock", 1, hash), { hash, height: height + 1 });
    assert.deepEqual(await call("waitfornewblock", 0, "00".repeat(32)), { hash, height: height + 1 });
  });

  test("mock time is the time of blocks, transactions and totals", async () => {
    const { mediantime } = await call("getblockchaininfo");
    const time = Math.floor(Date.now() / 1000) + 1000;
    await call("setmocktime", time);
    const txid = await call("sendrawtransaction", await world.signed());
    assert.equal((await call("getmempoolentry", txid)).time, time);
    assert.equal((await call("getnettotals")).timemillis, time * 1000);
    const [hash] = await world.mine();
    const block = await call("getblock", hash);
    assert.equal(block.time, time);
    assert.ok(block.mediantime >= mediantime);
    assert.ok(world.node.debugLog.includes("(mocktime: "));
    await call("setmocktime", 0);
    assert.ok(Math.abs((await call("getnettotals")).timemillis - Date.now()) < 10_000);
  });

  test("packages are tried together, parent before child", async () => {
    const parent = await world.signed();
    const { txid, vout } = await call("decoderawtransaction", parent);
    const child = await world.signed({
      kind: "p2wpkh",
      txid,
      vout: 0,
      amount: vout[0].value,
      scriptPubKey: vout[0].scriptPubKey.hex,
    });
    const [first, second] = await call("testmempoolaccept", [parent, child]);
    assert.deepEqual([first.allowed, second.allowed], [true, true]);
    assert.deepEqual(second.fees["effective-includes"], [second.wtxid]);
    const [alone] = await call("testmempoolaccept", [child]);
    assert.deepEqual([alone.allowed, alone["reject-reason"]], [false, "missing-inputs"]);
    const twice = await call("testmempoolaccept", [parent, parent]);
    assert.equal(twice[0]["package-error"], "package-contains-duplicates");
    const independent = [await world.signed(undefined, 1), await world.signed()];
    const [dear, next] = await call("testmempoolaccept", independent);
    assert.equal(dear["reject-reason"], "max-fee-exceeded");
    assert.deepEqual(Object.keys(next), ["txid", "wtxid"]);
    const wrongOrder = await call("testmempoolaccept", [child, parent]);
    assert.equal(wrongOrder[0]["package-error"], "package-not-sorted");

    await call("sendrawtransaction", parent);
    const childId = await call("sendrawtransaction", child);
    const entry = await call("getmempoolentry", childId);
    assert.deepEqual([entry.ancestorcount, entry.depends], [2, [txid]]);
    assert.deepEqual((await call("getmempoolentry", txid)).spentby, [childId]);
    assert.equal(await call("prioritisetransaction", txid, 0, 5000), true);
    const { fees } = await call("getmempoolentry", txid);
    assert.deepEqual([fees.base, fees.modified, fees.descendant], [0.0001, 0.00015, 0.00025]);
    const { text } = await world.node.post(JSON.stringify({ method: "getrawmempool", params: [true] }));
    assert.match(text, /"modified":0\.00015000/);
    assert.equal((await call("getrawmempool", false, true)).txids.length, 2);
    await world.mine();
  });

  test("partial signatures are combined", async () => {
    const coin = world.takeCoin("p2wsh multisig");
    const unsigned = await world.unsigned(coin);
    const prevout = await world.prevout(coin);
    const halves = await Promise.all(
      KEYS.slice(0, 2).map((key) => call("signrawtransactionwithkey", unsigned, [key], [prevout])),
    );
    assert.deepEqual(
      halves.map(({ complete }) => complete),
      [false, false],
    );
    const whole = await call(
      "combinerawtransaction",
      halves.map(({ hex }) => hex),
    );
    const [judged] = await call("testmempoolaccept", [whole]);
    assert.equal(judged.allowed, true, JSON.stringify(judged));
  });

  test("the coins are scanned for descriptors, whose origin is told", async () => {
    const descriptor = `wpkh(${XPUB}/0/*)`;
    const addresses = await call("deriveaddresses", await withChecksum(world, descriptor), [0, 3]);
    const [hash] = await call("generatetoaddress", 1, addresses[3]);
    const reward = (await call("getblock", hash, 2)).tx[0].vout[0].value;
    const found = await call("scantxoutset", "start", [{ desc: descriptor, range: 5 }]);
    assert.deepEqual([found.success, found.unspents.length, found.total_amount], [true, 1, reward]);
    assert.match(found.unspents[0].desc, /^wpkh\(\[[0-9a-f]{8}\/0\/3\][0-9a-f]{66}\)#/);
    assert.equal(found.unspents[0].height, await call("getblockcount"));
    assert.equal(await call("scantxoutset", "status"), null);
    assert.equal(await call("scantxoutset", "abort"), false);

    const long = call("scantxoutset", "start", [{ desc: descriptor, range: [0, 50_000] }]);
    await until("the scan runs", async () => (await call("scantxoutset", "status")) !== null);
    await assert.rejects(
      call("scantxoutset", "start", []),
      /Scan already in progress, use action "abort" or "status"/,
    );
    assert.equal(await call("scantxoutset", "abort"), true);
    assert.equal((await long).success, false);
  });

  test("statistics of the coins agree with each other", async () => {
    const [full, muhash, none] = await Promise.all([
      call("gettxoutsetinfo"),
      call("gettxoutsetinfo", "muhash"),
      call("gettxoutsetinfo", "none"),
    ]);
    assert.match(full.hash_serialized_3, /^[0-9a-f]{64}$/);
    assert.match(muhash.muhash, /^[0-9a-f]{64}$/);
    for (const name of ["height", "bestblock", "txouts", "bogosize", "transactions", "total_amount"]) {
      assert.deepEqual([muhash[name], none[name]], [full[name], full[name]]);
    }
    assert.equal(none.hash_serialized_3, undefined);
  });

  test("messages are signed and verified", async () => {
    const [address] = await call(
      "deriveaddresses",
      await withChecksum(world, `pkh(${await world.publicKey(KEYS[0]!)})`),
    );
    const signature = await call("signmessagewithprivkey", KEYS[0], "hello");
    assert.equal(await call("verifymessage", address, signature, "hello"), true);
    assert.equal(await call("verifymessage", address, signature, "hullo"), false);
    // Core's own example (rpc_signmessagewithprivkey.py).
    const key = "cUeKHd5orzT3mz8P9pxyREHfsWtVfgsfDjiZZBcjUBAaGk1BTj7N";
    const expected =
      "INbVnW4e6PeRmsv2Qgu8NuopvrVjkcxob+sX8OcZG0SALhWybUjzMLPdAsXI46YZGb0KQTRii+wWIQzRpG/U+S0=";
    assert.equal(await call("signmessagewithprivkey", key, "This is just a test message"), expected);
    assert.equal(
      await call(
        "verifymessage",
        "mpLQjfK79b7CCV4VMJWEWAj5Mpx8Up5zxB",
        expected,
        "This is just a test message",
      ),
      true,
    );
  });

  test("descriptors of several paths and of combo()", async () => {
    const two = await withChecksum(world, `wpkh(${XPUB}/<0;1>/*)`);
    const lists = await call("deriveaddresses", two, [0, 1]);
    assert.deepEqual(
      lists.map((list: Reply) => list.length),
      [2, 2],
    );
    const info = await call("getdescriptorinfo", two);
    assert.equal(info.multipath_expansion.length, 2);
    const combo = await withChecksum(world, `combo(${await world.publicKey(KEYS[0]!)})`);
    assert.equal((await call("deriveaddresses", combo)).length, 3);
  });

  test("peers are told of, cut off and let in again", async () => {
    const { node, peer } = world;
    const [there] = await peer.rpc("getpeerinfo");
    assert.deepEqual(
      [there.inbound, there.connection_type, there.addr],
      [false, "manual", `127.0.0.1:${node.port}`],
    );
    const [here] = await call("getpeerinfo");
    assert.deepEqual([here.inbound, here.connection_type], [true, "inbound"]);
    assert.equal(here.subver, (await peer.rpc("getnetworkinfo")).subversion);
    assert.ok(here.bytesrecv_per_msg.pong >= 29);
    const info = await call("getnetworkinfo");
    assert.match(info.subversion, /^\/Satoshi:29\.0\.0\/Freehold:\d+\.\d+\.\d+\/$/);
    assert.deepEqual([info.version, info.connections, info.connections_in], [290_000, 1, 1]);
    await call("ping");
    assert.equal(await call("setnetworkactive", false), false);
    await until("the peer is gone", async () => (await call("getconnectioncount")) === 0);
    assert.equal((await call("getnetworkinfo")).networkactive, false);
    assert.equal(await call("setnetworkactive", true), true);
    await until("the peer is back", async () => {
      await peer.rpc("addnode", [`127.0.0.1:${node.port}`, "onetry"]);
      // A transaction is announced to nobody whose handshake is not over.
      const peers: Reply[] = [...(await call("getpeerinfo")), ...(await peer.rpc("getpeerinfo"))];
      return peers.length > 1 && peers.every(({ bytesrecv_per_msg }) => bytesrecv_per_msg.pong > 0);
    });
  });

  test("a transaction reaches the peer", async () => {
    const txid = await call("sendrawtransaction", await world.signed());
    await until("the peer has it", async () => (await world.peer.rpc("getrawmempool")).includes(txid));
    // A peer that asked for it has it now: nobody needs to be told again.
    assert.equal((await call("getmempoolentry", txid)).unbroadcast, false);
  });

  test("addresses of peers are kept", async () => {
    // The tried one first: it leaves its place among the new ones, which the other may want.
    assert.deepEqual(await call("addpeeraddress", "11.8.7.5", 8333, true), { success: true });
    assert.deepEqual(await call("addpeeraddress", "9.8.7.6", 8333), { success: true });
    const twice = await call("addpeeraddress", "9.8.7.6", 8333);
    assert.deepEqual([twice.success, twice.error], [false, "failed-adding-to-new"]);
    const known = await call("getnodeaddresses", 0);
    assert.deepEqual(known.map(({ address }: Reply) => address).sort(), ["11.8.7.5", "9.8.7.6"]);
    assert.deepEqual(await call("getnodeaddresses", 0, "onion"), []);
  });

  test("log categories are switched while it runs", async () => {
    assert.equal((await call("logging")).rpc, false);
    assert.equal((await call("logging", ["rpc"])).rpc, true);
    await call("uptime");
    assert.ok(world.node.debugLog.includes("[rpc] ThreadRPCServer method=uptime user=__cookie__"));
    assert.equal((await call("logging", [], ["all"])).rpc, false);
  });

  test("deployments are as regtest has them", async () => {
    const { deployments, script_flags } = await call("getdeploymentinfo");
    for (const name of ["bip34", "bip66", "bip65", "csv", "segwit"]) {
      assert.equal(deployments[name].type, "buried");
      assert.equal(deployments[name].active, true);
    }
    assert.equal(deployments.taproot.active, true);
    assert.equal(deployments.testdummy.type, "bip9");
    assert.ok(script_flags.includes("TAPROOT"));
    const genesis = await call("getdeploymentinfo", await call("getblockhash", 0));
    assert.equal(genesis.height, 0);
  });

  test("the program tells of itself", async () => {
    const info = await call("getrpcinfo");
    assert.equal(info.active_commands[0].method, "getrpcinfo");
    assert.ok(info.logpath.endsWith("debug.log"));
    const before = await call("uptime");
    await sleep(1100);
    assert.ok((await call("uptime")) > before);
    assert.deepEqual(await call("echo", 1, null, { a: [] }), [1, null, { a: [] }]);
    await assert.rejects(
      call("echo", ...Array(9).fill(null), "trigger_internal_bug"),
      /Internal bug detected/,
    );
    const { initialblockdownload, blocks, headers } = await call("getblockchaininfo");
    assert.deepEqual([initialblockdownload, blocks], [false, headers]);
  });

  test("the client's table of arguments is told", async () => {
    const rows: Reply[] = await call("help", "dump_all_command_conversions");
    assert.ok(rows.some((row) => row.join() === "getblock,1,verbose,false"));
    assert.ok(rows.some((row) => row.join() === "getblock,0,blockhash,true"));
  });

  test("undo data that is gone is told of, and stops nothing", async () => {
    const hash = await call("getblockhash", 50);
    const path = join(world.node.folder, "blocks", "rev00000.dat");
    const whole = readFileSync(path);
    truncateSync(path, 0);
    await assert.rejects(
      call("getblock", hash, 2),
      /Undo data expected but can't be read\. This could be due to/,
    );
    assert.equal((await call("getblock", hash, 1)).hash, hash);
    writeFileSync(path, whole, { flag: "r+" });
    assert.equal((await call("getblock", hash, 2)).hash, hash);
  });

  test("stop ends what waits, and leaves nothing behind", async () => {
    const height = await call("getblockcount");
    const { longpollid } = await call("getblocktemplate", { rules: ["segwit"] });
    const key =
      "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
    const { descriptor } = await call("getdescriptorinfo", `wpkh(${key}/*)`);
    const waiting = [
      call("waitfornewblock"),
      call("waitforblockheight", height + 100),
      call("getblocktemplate", { rules: ["segwit"], longpollid }).catch((error: Error) => error),
      call("deriveaddresses", descriptor, [0, 999_999]).catch((error: Error) => error),
    ];
    await until("the calls wait", async () => (await call("getrpcinfo")).active_commands.length >= 5);
    const begin = performance.now();
    const end = await world.node.stop();
    assert.deepEqual(end, { code: 0, signal: null, stdout: "", stderr: "" });
    assert.ok(performance.now() - begin < 10_000);
    const [first, second, third, fourth] = await Promise.all(waiting);
    assert.equal(first.height, height);
    assert.equal(second.height, height);
    assert.match(String(third), /Shutting down/);
    assert.match(String(fourth), /Shutting down/);
  });
});
