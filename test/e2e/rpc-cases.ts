/** Every RPC method with arguments that it takes, as often as they are asked for. */

import { type Reply, until } from "./node-process.ts";
import type { RpcWorld } from "./rpc-world.ts";
import { KEYS, KINDS } from "./rpc-world.ts";
import { WalletCases } from "./wallet-cases.ts";

/** Arguments by position for one call. */
export type Arguments = readonly Reply[];

/** Makes the arguments of each method; what a call uses up is made anew each time. */
export type Cases = Readonly<Record<string, () => Arguments | Promise<Arguments>>>;

/** The methods of this node, all of them but `stop`. Nothing here may need the order in which it is called. */
export async function rpcCases(world: RpcWorld): Promise<Cases> {
  const { node, peer, address } = world;
  const height: number = await node.rpc("getblockcount");
  const tip: string = await node.rpc("getblockhash", [height]);
  const waiting = await world.signed();
  const txid: string = await node.rpc("sendrawtransaction", [waiting]);
  const [mined] = await world.mine();
  const spare = world.takeCoin("p2wsh multisig");
  const unsigned = await world.unsigned(spare);
  const spareCoin = world.takeCoin("p2pkh");
  const halfSigned = await world.signed(spareCoin);
  const [stale] = await world.mine();
  await node.rpc("invalidateblock", [stale]);
  // To another script: within one second the same block would come out again.
  await node.rpc("generatetodescriptor", [2, await withChecksum(world, KINDS.p2pk)]);
  await until("the peer is there", async () => (await node.rpc("getconnectioncount")) >= 1);
  await node.rpc("addpeeraddress", ["1.2.3.4", 8333, false]);
  const header = await node.rpc("getblockheader", [tip, false]);
  const block = await node.rpc("getblock", [tip, 0]);
  const publicKeys = await Promise.all(KEYS.map((key) => world.publicKey(key)));
  const xpub =
    "tpubD6NzVbkrYhZ4WaWSyoBvQwbpLkojyoTZPRsgXELWz3Popb3qkjcJyJUGLnL4qHHoQvao8ESaAstxYSnhyswJ76uZPStJRJCTKvosUCJZL5B";
  const ranged = await withChecksum(world, `wpkh(${xpub}/0/*)`);
  const miningDescriptor = await withChecksum(world, KINDS.p2wpkh);
  const [legacy] = await node.rpc("deriveaddresses", [await withChecksum(world, `pkh(${publicKeys[0]})`)]);
  const signature = await node.rpc("signmessagewithprivkey", [KEYS[0], "a message"]);
  const wallets = await WalletCases.of(world);
  let lastByte = 0;

  const example = await world.signed();
  let pending = { hex: "", txid: "" };
  /** A transaction that waits now; blocks that other cases mine take it along. */
  const waitingNow = async (): Promise<typeof pending> => {
    const known: string[] = await node.rpc("getrawmempool");
    if (!known.includes(pending.txid)) {
      const hex = await world.signed();
      pending = { hex, txid: await node.rpc("sendrawtransaction", [hex]) };
    }
    return pending;
  };

  return {
    getblockchaininfo: () => [],
    getblockcount: () => [],
    getbestblockhash: () => [],
    getdifficulty: () => [],
    getblockhash: () => [5],
    getblockheader: () => [mined, true],
    getblock: () => [mined, 3],
    getchaintips: () => [],
    getdeploymentinfo: () => [tip],
    gettxout: () => [spare.txid, spare.vout, true],
    gettxoutsetinfo: () => ["muhash"],
    scantxoutset: () => ["start", [`addr(${address})`, { desc: ranged, range: [0, 5] }]],
    verifychain: () => [3, 2],
    invalidateblock: () => [stale],
    reconsiderblock: () => [stale],
    preciousblock: () => [tip],
    waitfornewblock: () => [5, tip],
    waitforblock: () => [tip, 5],
    waitforblockheight: () => [height, 5],
    getrawtransaction: () => [txid, 2, mined],
    decoderawtransaction: () => [example, true],
    decodescript: () => [spare.scriptPubKey],
    createrawtransaction: () => [
      [{ txid: spare.txid, vout: spare.vout, sequence: 5 }],
      [{ [address]: 0.5 }, { data: "00ff" }],
      10,
      true,
      2,
    ],
    combinerawtransaction: () => [[halfSigned]],
    signrawtransactionwithkey: async () => [unsigned, KEYS, [await world.prevout(spare)], "ALL"],
    sendrawtransaction: async () => [(await waitingNow()).hex, 0.1, "0.00"],
    testmempoolaccept: () => [[halfSigned], "0.10"],
    getmempoolinfo: () => [],
    getrawmempool: async () => {
      await waitingNow();
      return [true, false];
    },
    getmempoolentry: async () => [(await waitingNow()).txid],
    prioritisetransaction: async () => [(await waitingNow()).txid, 0, 1000],
    getmininginfo: () => [],
    getnetworkhashps: () => [120, -1],
    generatetoaddress: () => [1, address, 1_000_000],
    generatetodescriptor: () => [1, miningDescriptor, 1_000_000],
    generateblock: () => [address, [], true],
    getblocktemplate: () => [{ rules: ["segwit"], capabilities: ["proposal"] }],
    submitblock: () => [block, "ignored"],
    submitheader: () => [header],
    getnetworkinfo: () => [],
    getpeerinfo: () => [],
    getconnectioncount: () => [],
    addnode: () => ["127.0.0.1:1", "onetry", false],
    addconnection: async () => {
      await disconnectOutbound(world);
      return [`127.0.0.1:${peer.port}`, "outbound-full-relay", false];
    },
    disconnectnode: async () => {
      const address = await until("a peer is there", async () => {
        const [first] = await node.rpc("getpeerinfo");
        if (first !== undefined) return first.addr;
        // Again until the other side has seen that its last connection is gone.
        await peer.rpc("addnode", [`127.0.0.1:${node.port}`, "onetry"]);
        return undefined;
      });
      return [address];
    },
    ping: () => [],
    setnetworkactive: () => [true],
    getnettotals: () => [],
    addpeeraddress: () => {
      lastByte++;
      return [`5.6.${lastByte}.8`, 8333, false];
    },
    getnodeaddresses: () => [1, "ipv4"],
    getaddrmaninfo: () => [],
    estimatesmartfee: () => [6, "conservative"],
    estimaterawfee: () => [6, 0.9],
    validateaddress: () => [address],
    deriveaddresses: () => [ranged, [0, 2]],
    getdescriptorinfo: () => [ranged],
    createmultisig: () => [2, publicKeys, "bech32"],
    signmessagewithprivkey: () => [KEYS[0], "a message"],
    verifymessage: () => [legacy, signature, "a message"],
    help: () => ["getblock"],
    uptime: () => [],
    logging: () => [["net"], ["net"]],
    getrpcinfo: () => [],
    setmocktime: () => [0],
    mockscheduler: () => [1],
    syncwithvalidationinterfacequeue: () => [],
    echo: () => ["a", "b"],
    echojson: () => ["a", { b: [1, null, true] }],
    ...wallets.cases,
  };
}

/** A descriptor without private keys but with its checksum. */
export async function withChecksum(world: RpcWorld, text: string): Promise<string> {
  const { checksum } = await world.node.rpc("getdescriptorinfo", [text]);
  return `${text}#${checksum}`;
}

async function disconnectOutbound({ node }: RpcWorld): Promise<void> {
  for (const { id, inbound } of await node.rpc("getpeerinfo")) {
    if (inbound === false) await node.rpc("disconnectnode", ["", id]);
  }
  await until(
    "no outbound peer is left",
    async () => (await node.rpc("getnetworkinfo")).connections_out === 0,
  );
}
