/** What callers get wrong, with the codes and texts that Core answers (its functional tests name most of them). */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { fromHex } from "#base/lib/bytes.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import type { Reply, RpcFailure } from "./node-process.ts";
import { KEYS, RpcWorld } from "./rpc-world.ts";

/** The block with the first nonce that does not meet regtest's target, which is half of all hashes. */
function withoutWork(raw: string): string {
  for (let nonce = 0; ; nonce++) {
    const digits = `${nonce.toString(16).padStart(2, "0")}000000`;
    const changed = `${raw.slice(0, 152)}${digits}${raw.slice(160)}`;
    if (blockHash(fromHex(changed)!)[31]! >= 0x80) return changed;
  }
}

const ZEROS = "0".repeat(64);
const NOT_HEX = "Z".repeat(64);
/** A hash that nothing has. */
const UNKNOWN = "ab".repeat(32);

type Mistake = readonly [method: string, params: unknown, code: number, message: string | RegExp];

suite("mistakes are answered as Core answers them", () => {
  let world: RpcWorld;

  before(async () => {
    world = await RpcWorld.build();
  });

  after(() => world?.[Symbol.asyncDispose]());

  async function check(mistakes: readonly Mistake[]): Promise<void> {
    for (const [method, params, code, message] of mistakes) {
      const call = `${method} ${JSON.stringify(params)}`;
      let failure: RpcFailure | undefined;
      let result: Reply;
      try {
        result = await world.node.rpc(method, params);
      } catch (error) {
        failure = error as RpcFailure;
      }
      assert.ok(failure !== undefined, `${call} was answered: ${JSON.stringify(result)}`);
      assert.equal(failure.code, code, `${call}: ${failure.message}`);
      const text = failure.message.slice(method.length + 2, failure.message.lastIndexOf(" ("));
      if (typeof message === "string") assert.equal(text, message, call);
      else assert.match(text, message, call);
    }
  }

  test("blocks", async () => {
    await check([
      ["getblockhash", [-1], -8, "Block height out of range"],
      ["getblockhash", [100_000], -8, "Block height out of range"],
      ["getblockhash", [1.5], -1, "JSON integer out of range"],
      ["getblock", [""], -8, "blockhash must be of length 64 (not 0, for '')"],
      ["getblock", [NOT_HEX], -8, `blockhash must be hexadecimal string (not '${NOT_HEX}')`],
      ["getblock", [UNKNOWN], -5, "Block not found"],
      ["getblock", [UNKNOWN, "2"], -5, "Block not found"],
      ["getblockheader", ["x"], -8, "hash must be of length 64 (not 1, for 'x')"],
      ["getblockheader", [UNKNOWN], -5, "Block not found"],
      ["getdeploymentinfo", [UNKNOWN], -5, "Block not found"],
      ["invalidateblock", [UNKNOWN], -5, "Block not found"],
      ["reconsiderblock", [UNKNOWN], -5, "Block not found"],
      ["preciousblock", [UNKNOWN], -5, "Block not found"],
      ["waitfornewblock", [-1], -1, "Negative timeout"],
      ["waitforblock", ["x"], -8, "blockhash must be of length 64 (not 1, for 'x')"],
      ["waitforblock", [ZEROS, -1], -1, "Negative timeout"],
      ["waitforblockheight", [1, -1], -1, "Negative timeout"],
      ["gettxoutsetinfo", ["foohash"], -8, "'foohash' is not a valid hash_type"],
      ["gettxoutsetinfo", ["none", 1], -8, "Querying specific block heights requires coinstatsindex"],
      ["gettxout", ["x", 0], -8, "txid must be of length 64 (not 1, for 'x')"],
      ["gettxout", [UNKNOWN, -1], -1, "JSON integer out of range"],
      ["gettxout", [UNKNOWN, 2 ** 32], -1, "JSON integer out of range"],
      ["scantxoutset", ["start"], -1, /^scanobjects argument is required for the start action/],
      ["scantxoutset", ["x"], -8, "Invalid action 'x'"],
      ["scantxoutset", ["start", ["x"]], -5, /^'x' is not a valid descriptor function/],
      ["scantxoutset", ["start", [5]], -8, "Scan object needs to be either a string or an object"],
      ["scantxoutset", ["start", [{}]], -8, "Descriptor needs to be provided in scan object"],
    ]);
  });

  test("raw transactions", async () => {
    const coin = world.takeCoin();
    const { txid } = coin;
    const { address } = world;
    const [mined] = await world.node
      .rpc("getblock", [await world.node.rpc("getbestblockhash")])
      .then((block) => [block.hash]);
    const genesis = await world.node.rpc("getblock", [await world.node.rpc("getblockhash", [0])]);
    const input = { txid, vout: 0 };
    const invalid = (text: string) => `Invalid parameter, ${text}`;
    const decodeFailed = "TX decode failed. Make sure the tx has at least one input.";
    await check([
      ["getrawtransaction", ["x"], -8, "parameter 1 must be of length 64 (not 1, for 'x')"],
      ["getrawtransaction", [NOT_HEX], -8, `parameter 1 must be hexadecimal string (not '${NOT_HEX}')`],
      ["getrawtransaction", [txid, "1"], -3, "JSON value of type string is not of expected type number"],
      ["getrawtransaction", [txid, []], -3, "JSON value of type array is not of expected type number"],
      [
        "getrawtransaction",
        [txid, true, "foobar"],
        -8,
        "parameter 3 must be of length 64 (not 6, for 'foobar')",
      ],
      ["getrawtransaction", [txid, true, UNKNOWN], -5, "Block hash not found"],
      [
        "getrawtransaction",
        [UNKNOWN, true, mined],
        -5,
        "No such transaction found in the provided block. Use gettransaction for wallet transactions.",
      ],
      [
        "getrawtransaction",
        [txid],
        -5,
        "No such mempool transaction. Use -txindex or provide a block hash to enable blockchain transaction queries. Use gettransaction for wallet transactions.",
      ],
      [
        "getrawtransaction",
        [genesis.merkleroot, true],
        -5,
        "The genesis block coinbase is not considered an ordinary transaction and cannot be retrieved",
      ],
      [
        "createrawtransaction",
        ["foo", {}],
        -3,
        /Position 1 \(inputs\).*type string is not of expected type array/s,
      ],
      ["createrawtransaction", [["foo"], {}], -3, "JSON value of type string is not of expected type object"],
      ["createrawtransaction", [[{}], {}], -3, "JSON value of type null is not of expected type string"],
      ["createrawtransaction", [[{ txid: "foo" }], {}], -8, "txid must be of length 64 (not 3, for 'foo')"],
      ["createrawtransaction", [[{ txid }], {}], -8, invalid("missing vout key")],
      ["createrawtransaction", [[{ txid, vout: "foo" }], {}], -8, invalid("missing vout key")],
      ["createrawtransaction", [[{ txid, vout: -1 }], {}], -8, invalid("vout cannot be negative")],
      ["createrawtransaction", [[{ txid, vout: 1.5 }], {}], -1, "JSON integer out of range"],
      ["createrawtransaction", [[{ txid, vout: 2 ** 32 }], {}], -1, "JSON integer out of range"],
      ["createrawtransaction", [[{ ...input, sequence: 0.5 }], {}], -1, "JSON integer out of range"],
      [
        "createrawtransaction",
        [[{ ...input, sequence: -1 }], {}],
        -8,
        invalid("sequence number is out of range"),
      ],
      [
        "createrawtransaction",
        [[{ ...input, sequence: 4_294_967_296 }], {}],
        -8,
        invalid("sequence number is out of range"),
      ],
      ["createrawtransaction", [[], "foo"], -3, "JSON value of type string is not of expected type array"],
      ["createrawtransaction", [[], null], -8, invalid("output argument must be non-null")],
      ["createrawtransaction", [[], { foo: 0 }], -5, "Invalid Bitcoin address: foo"],
      [
        "createrawtransaction",
        [[], [["key", "value"]]],
        -8,
        invalid("key-value pair not an object as expected"),
      ],
      ["createrawtransaction", [[], [{}]], -8, invalid("key-value pair must contain exactly one key")],
      [
        "createrawtransaction",
        [[], [{ a: 1, b: 2 }]],
        -8,
        invalid("key-value pair must contain exactly one key"),
      ],
      ["createrawtransaction", [[], { data: "foo" }], -8, "Data must be hexadecimal string (not 'foo')"],
      ["createrawtransaction", [[], { [address]: "foo" }], -3, "Invalid amount"],
      ["createrawtransaction", [[], { [address]: -1 }], -3, "Amount out of range"],
      [
        "createrawtransaction",
        [[], [{ [address]: 1 }, { [address]: 1 }]],
        -8,
        invalid(`duplicated address: ${address}`),
      ],
      ["createrawtransaction", [[], [{ data: "aa" }, { data: "bb" }]], -8, invalid("duplicate key: data")],
      ["createrawtransaction", [[], {}, -1], -8, invalid("locktime out of range")],
      ["createrawtransaction", [[], {}, 4_294_967_296], -8, invalid("locktime out of range")],
      [
        "createrawtransaction",
        [[{ ...input, sequence: 4_294_967_295 }], {}, 0, true],
        -8,
        "Invalid parameter combination: Sequence number(s) contradict replaceable option",
      ],
      ["createrawtransaction", [[], {}, 0, false, 0], -8, invalid("version out of range(1~3)")],
      ["createrawtransaction", [[], {}, 0, false, 4], -8, invalid("version out of range(1~3)")],
      ["decoderawtransaction", ["00"], -22, decodeFailed],
      ["decoderawtransaction", ["x"], -22, decodeFailed],
      ["decodescript", ["x"], -8, "argument must be hexadecimal string (not 'x')"],
      ["sendrawtransaction", ["deadbeef"], -22, decodeFailed],
      [
        "testmempoolaccept",
        [["deadbeef"]],
        -22,
        "TX decode failed: deadbeef Make sure the tx has at least one input.",
      ],
      ["testmempoolaccept", [[]], -8, "Array must contain between 1 and 25 transactions."],
      ["testmempoolaccept", [Array(26).fill("00")], -8, "Array must contain between 1 and 25 transactions."],
      ["combinerawtransaction", [[]], -8, "Missing transactions"],
      [
        "combinerawtransaction",
        [["00"]],
        -22,
        "TX decode failed for tx 0. Make sure the tx has at least one input.",
      ],
    ]);
  });

  test("an output that stands twice is no slip to be passed over", async () => {
    const create = async (outputs: string): Promise<string> => {
      const params = `[[],{${outputs}}]`;
      const { text } = await world.node.post(`{"id":1,"method":"createrawtransaction","params":${params}}`);
      const { error } = JSON.parse(text) as { error: { code: number; message: string } };
      assert.equal(error?.code, -8, text);
      return error.message;
    };
    const { address } = world;
    const twice = `Invalid parameter, duplicated address: ${address}`;
    assert.equal(await create(`"${address}":1,"${address}":2`), twice);
    assert.equal(
      await create(`"${address}":1,"${address.toUpperCase()}":2`),
      twice.replace(address, address.toUpperCase()),
    );
    assert.equal(await create(`"data":"aa","data":"bb"`), "Invalid parameter, duplicate key: data");
  });

  test("transactions that are refused", async () => {
    const { node } = world;
    const coin = world.takeCoin();
    const paying = await world.signed(coin, 0.0001);
    const dear = await world.signed(coin, 1);
    const orphan = await node.rpc("createrawtransaction", [
      [{ txid: UNKNOWN, vout: 0 }],
      { [world.address]: 1 },
    ]);
    const burning = await world.unsigned(coin, coin.amount - 1, {
      outputs: [{ [world.address]: 1 }, { data: "00" }],
    });
    // The data output is worth nothing; give it some.
    const burnt = burning.replace("0000000000000000036a0100", "0100000000000000036a0100");
    assert.notEqual(burnt, burning);
    await check([
      ["sendrawtransaction", [orphan], -25, "bad-txns-inputs-missingorspent"],
      [
        "sendrawtransaction",
        [dear],
        -25,
        "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)",
      ],
      [
        "sendrawtransaction",
        [paying, "0.0000001"],
        -25,
        "Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)",
      ],
      ["sendrawtransaction", [paying, 1], -8, "Fee rates larger than or equal to 1BTC/kvB are not accepted"],
      [
        "sendrawtransaction",
        [burnt, 0],
        -25,
        "Unspendable output exceeds maximum configured by user (maxburnamount)",
      ],
      [
        "sendrawtransaction",
        [burnt, 0, "0.00000001"],
        -26,
        /^mempool-script-verify-flag-failed|^mandatory-script-verify-flag-failed/,
      ],
    ]);
    await node.rpc("sendrawtransaction", [paying]);
    const rival = await world.signed(coin, 0.00005);
    await check([["sendrawtransaction", [rival], -26, /^insufficient fee/]]);
    await world.mine();
    await check([
      ["sendrawtransaction", [paying], -27, "Transaction outputs already in utxo set"],
      ["sendrawtransaction", [rival], -25, "bad-txns-inputs-missingorspent"],
      ["getmempoolentry", [coin.txid], -5, "Transaction not in mempool"],
      ["getrawmempool", [true, true], -8, "Verbose results cannot contain mempool sequence values."],
    ]);
    const [missing] = await node.rpc("testmempoolaccept", [[rival]]);
    assert.equal(missing.allowed, false);
    assert.equal(missing["reject-reason"], "missing-inputs");
    const [tooDear] = await node.rpc("testmempoolaccept", [[await world.signed(world.takeCoin(), 2)]]);
    assert.deepEqual([tooDear.allowed, tooDear["reject-reason"]], [false, "max-fee-exceeded"]);
  });

  test("signing", async () => {
    const coin = world.takeCoin("p2wsh multisig");
    const unsigned = await world.unsigned(coin);
    const prevout = await world.prevout(coin);
    const { witnessScript: _, ...bare } = prevout;
    await check([
      ["signrawtransactionwithkey", ["00", KEYS], -22, /^TX decode failed/],
      ["signrawtransactionwithkey", [unsigned, ["x"]], -5, "Invalid private key"],
      ["signrawtransactionwithkey", [unsigned, KEYS, [{}]], -3, /^Missing (txid|vout|scriptPubKey)$/],
      ["signrawtransactionwithkey", [unsigned, KEYS, [bare]], -8, "Missing redeemScript/witnessScript"],
      [
        "signrawtransactionwithkey",
        [unsigned, KEYS, [{ ...bare, witnessScript: "51" }]],
        -8,
        "redeemScript/witnessScript does not match scriptPubKey",
      ],
      [
        "signrawtransactionwithkey",
        [unsigned, KEYS, [prevout], "x"],
        -8,
        "'x' is not a valid sighash parameter.",
      ],
    ]);
    for (const [vout, code, text] of [
      ["0", -3, "JSON value is not an integer as expected"],
      [-1, -22, "vout cannot be negative"],
      [0.5, -1, "JSON integer out of range"],
    ] as const) {
      await check([["signrawtransactionwithkey", [unsigned, KEYS, [{ ...prevout, vout }]], code, text]]);
    }
    const oneKey = await world.node.rpc("signrawtransactionwithkey", [unsigned, [KEYS[0]], [prevout]]);
    assert.equal(oneKey.complete, false);
    assert.equal(oneKey.errors.length, 1);
    const nothing = await world.node.rpc("signrawtransactionwithkey", [
      await world.node.rpc("createrawtransaction", [[{ txid: UNKNOWN, vout: 0 }], { [world.address]: 1 }]),
      KEYS,
    ]);
    assert.equal(nothing.errors[0].error, "Input not found or already spent");
  });

  test("mining", async () => {
    const { address } = world;
    const tip = await world.node.rpc("getbestblockhash");
    const raw: string = await world.node.rpc("getblock", [tip, 0]);
    await check([
      ["generatetoaddress", [1, "x"], -5, "Error: Invalid address"],
      ["generatetodescriptor", [1, "x"], -5, /^'x' is not a valid descriptor function/],
      ["generateblock", ["x", []], -5, "Error: Invalid address or descriptor"],
      ["generateblock", [address, [UNKNOWN]], -5, `Transaction ${UNKNOWN} not in mempool.`],
      [
        "generateblock",
        [address, ["00"]],
        -22,
        "Transaction decode failed for 00. Make sure the tx has at least one input.",
      ],
      [
        "getblocktemplate",
        [{}],
        -8,
        'getblocktemplate must be called with the segwit rule set (call with {"rules": ["segwit"]})',
      ],
      ["getblocktemplate", [{ mode: "x" }], -8, "Invalid mode"],
      ["getblocktemplate", [{ mode: 5 }], -8, "Invalid mode"],
      ["getblocktemplate", [{ mode: "proposal" }], -3, "Missing data String key for proposal"],
      ["getblocktemplate", [{ mode: "proposal", data: "00" }], -22, "Block decode failed"],
      ["submitblock", ["x"], -22, "Block decode failed"],
      ["submitblock", ["00"], -22, "Block decode failed"],
      ["submitheader", ["x"], -22, "Block header decode failed"],
      ["submitheader", ["00".repeat(79)], -22, "Block header decode failed"],
      ["submitheader", ["ff".repeat(80)], -25, `Must submit previous header (${"f".repeat(64)}) first`],
      ["submitheader", [`${raw.slice(0, 136)}${"00".repeat(12)}`], -25, /^(high-hash|time-too-old|bad-)/],
      ["getnetworkhashps", [0], -8, "Invalid nblocks. Must be a positive number or -1."],
      ["getnetworkhashps", [1, 100_000], -8, "Block does not exist at specified height"],
      ["prioritisetransaction", ["x", 0, 0], -8, "txid must be of length 64 (not 1, for 'x')"],
      [
        "prioritisetransaction",
        [UNKNOWN, 1, 0],
        -8,
        "Priority is no longer supported, dummy argument to prioritisetransaction must be 0.",
      ],
      ["prioritisetransaction", [UNKNOWN, 0, 0.5], -1, "JSON integer out of range"],
    ]);
    assert.equal(await world.node.rpc("submitblock", [raw]), "duplicate");
    assert.equal(await world.node.rpc("submitblock", [withoutWork(raw)]), "high-hash");
    assert.equal(
      await world.node.rpc("getblocktemplate", [{ mode: "proposal", data: raw, rules: ["segwit"] }]),
      "duplicate",
    );
  });

  test("the network", async () => {
    const help = async (method: string): Promise<string> => world.node.rpc("help", [method]);
    await world.node.rpc("addnode", ["127.0.0.1:2", "add"]);
    await check([
      ["addnode", ["127.0.0.1:2", "add"], -23, "Error: Node already added"],
      [
        "addnode",
        ["127.0.0.1:3", "remove"],
        -24,
        "Error: Node could not be removed. It has not been added previously.",
      ],
      ["addnode", ["127.0.0.1:3", "x"], -1, await help("addnode")],
      ["addnode", ["127.0.0.1:3", "onetry", true], -8, /^Error: v2transport requested but not enabled/],
      ["addconnection", ["127.0.0.1:3", "x", false], -8, await help("addconnection")],
      ["disconnectnode", ["127.0.0.1:3"], -29, "Node not found in connected nodes"],
      ["disconnectnode", ["", 10_000], -29, "Node not found in connected nodes"],
      ["disconnectnode", ["127.0.0.1:3", 0], -32_602, "Only one of address and nodeid should be provided."],
      ["disconnectnode", [], -32_602, "Only one of address and nodeid should be provided."],
      ["getnodeaddresses", [-1], -8, "Address count out of range"],
      ["getnodeaddresses", [1, "Foo"], -8, "Network not recognized: Foo"],
      ["addpeeraddress", ["x", 1], -30, "Invalid IP address"],
    ]);
    await world.node.rpc("addnode", ["127.0.0.1:2", "remove"]);
  });

  test("addresses, descriptors and messages", async () => {
    const { node, address } = world;
    const key = await world.publicKey(KEYS[0]!);
    const plain: string = (await node.rpc("getdescriptorinfo", [`wpkh(${key})`])).descriptor;
    const xpub =
      "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
    const ranged: string = (await node.rpc("getdescriptorinfo", [`wpkh(${xpub}/*)`])).descriptor;
    await check([
      ["getdescriptorinfo", [""], -5, "'' is not a valid descriptor function"],
      ["deriveaddresses", ["a"], -5, "Missing checksum"],
      [
        "deriveaddresses",
        [`${plain.slice(0, -1)}x`],
        -5,
        /^Provided checksum '.*' does not match computed checksum '.*'$/,
      ],
      ["deriveaddresses", [plain, 1], -8, "Range should not be specified for an un-ranged descriptor"],
      ["deriveaddresses", [ranged], -8, "Range must be specified for a ranged descriptor"],
      ["deriveaddresses", [ranged, 10_000_000_000], -8, "End of range is too high"],
      ["deriveaddresses", [ranged, [1_000_000_000, 2_000_000_000]], -8, "Range is too large"],
      [
        "deriveaddresses",
        [ranged, [2, 0]],
        -8,
        "Range specified as [begin,end] must not have begin after end",
      ],
      ["deriveaddresses", [ranged, [-1, 0]], -8, "Range should be greater or equal than 0"],
      ["deriveaddresses", [ranged, 1.5], -1, "JSON integer out of range"],
      ["deriveaddresses", [ranged, [0, 1e300]], -1, "JSON integer out of range"],
      ["deriveaddresses", [ranged, [1]], -8, "Range must be specified as end or as [begin,end]"],
      ["deriveaddresses", [ranged, [1, "x"]], -8, "Range must be specified as end or as [begin,end]"],
      ["deriveaddresses", [ranged, "x"], -8, "Range must be specified as end or as [begin,end]"],
      ["createmultisig", [0, [key]], -8, "a multisignature address must require at least one key to redeem"],
      [
        "createmultisig",
        [2, [key]],
        -8,
        "not enough keys supplied (got 1 keys, but need at least 2 to redeem)",
      ],
      ["createmultisig", [1, ["x"]], -5, 'Pubkey "x" must be a hex string'],
      ["createmultisig", [1, ["00"]], -5, 'Pubkey "00" must have a length of either 33 or 65 bytes'],
      ["createmultisig", [1, ["00".repeat(33)]], -5, /must be cryptographically valid\.$/],
      ["createmultisig", [1, [key], "x"], -5, "Unknown address type 'x'"],
      [
        "createmultisig",
        [1, [key], "bech32m"],
        -5,
        "createmultisig cannot create bech32m multisig addresses",
      ],
      ["signmessagewithprivkey", ["x", "m"], -5, "Invalid private key"],
      ["verifymessage", ["x", "", "m"], -5, "Invalid address"],
      ["verifymessage", [address, "", "m"], -3, "Address does not refer to key"],
      ["verifymessage", ["mjTkW3DjgyZck4KbiRusZsqTgaYTxdSz6z", "x", "m"], -3, "Malformed base64 encoding"],
    ]);
    const invalid = await node.rpc("validateaddress", ["x"]);
    assert.equal(invalid.isvalid, false);
    assert.equal(typeof invalid.error, "string");
  });

  test("control", async () => {
    await check([
      ["logging", [["foo"]], -8, "unknown logging category foo"],
      ["setmocktime", [-1], -8, "Mocktime must be in the range [0, 9223372036], not -1."],
      ["setmocktime", [9_223_372_037], -8, "Mocktime must be in the range [0, 9223372036], not 9223372037."],
      ["mockscheduler", [0], -1, "delta_time must be between 1 and 3600 seconds (1 hr)"],
      ["mockscheduler", [3601], -1, "delta_time must be between 1 and 3600 seconds (1 hr)"],
    ]);
    assert.equal(await world.node.rpc("help", ["foo"]), "help: unknown command: foo");
  });
});
