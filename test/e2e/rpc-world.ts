/**
 * Two connected nodes with a chain worth asking about: 110 blocks and more, coins of every kind of script that
 * signrawtransactionwithkey spends, transactions that wait, a branch that was left.
 */

import { regtest } from "#protocol/bitcoin/networks.ts";
import { encodeWif } from "#protocol/bitcoin/wif.ts";
import { type NodeProcess, type Reply, startNode, until } from "./node-process.ts";

/** Private keys of the tests. */
export const KEYS: readonly string[] = [1, 2, 3].map((value) =>
  encodeWif({ secret: new Uint8Array(32).fill(value), compressed: true }, regtest()),
);
const [K1, K2, K3] = KEYS as [string, string, string];

/** Descriptors of the kinds of output that are mined to and spent. */
export const KINDS = {
  p2pk: `pk(${K1})`,
  p2pkh: `pkh(${K1})`,
  p2wpkh: `wpkh(${K1})`,
  "p2sh-p2wpkh": `sh(wpkh(${K1}))`,
  "p2sh multisig": `sh(multi(2,${K1},${K2},${K3}))`,
  "p2wsh multisig": `wsh(multi(2,${K1},${K2},${K3}))`,
  "p2sh-p2wsh multisig": `sh(wsh(multi(2,${K1},${K2},${K3})))`,
  "bare multisig": `multi(1,${K1},${K2})`,
  "p2tr key path": `tr(${K1})`,
} as const;

export type Kind = keyof typeof KINDS;

/** A coin of the chain that is ours. */
export interface OwnCoin {
  readonly kind: Kind;
  readonly txid: string;
  readonly vout: number;
  /** In bitcoin. */
  readonly amount: number;
  readonly scriptPubKey: string;
}

/** Kinds of which a test gets a coin that asks for none. */
const USUAL: readonly Kind[] = ["p2wpkh", "p2pkh", "p2tr key path", "p2sh-p2wpkh", "p2pk"];

/** How long ago the first block is, in seconds; the chain is up to date when it is made. */
const AGE = 3600;

export class RpcWorld {
  readonly node: NodeProcess;
  /** Connected to {@link node}. */
  readonly peer: NodeProcess;
  /** An address of the first key. */
  readonly address: string;
  /** Coins that may be spent, by kind. */
  readonly coins: OwnCoin[];

  private constructor(node: NodeProcess, peer: NodeProcess, address: string, coins: OwnCoin[]) {
    this.node = node;
    this.peer = peer;
    this.address = address;
    this.coins = coins;
  }

  static async build(args: readonly string[] = []): Promise<RpcWorld> {
    const [node, peer] = await Promise.all([startNode({ args }), startNode({ args })]);
    const now = Math.floor(Date.now() / 1000);
    await node.rpc("setmocktime", [now - AGE]);
    const descriptors = await Promise.all(
      Object.values(KINDS).map(
        async (text) => `${text}#${(await node.rpc("getdescriptorinfo", [text])).checksum}`,
      ),
    );
    for (const descriptor of descriptors) await node.rpc("generatetodescriptor", [5, descriptor]);
    const [address] = await node.rpc("deriveaddresses", [
      (await node.rpc("getdescriptorinfo", [KINDS.p2wpkh])).descriptor,
    ]);
    // Enough blocks on top that the coins may be spent.
    await node.rpc("generatetoaddress", [100, address]);
    await node.rpc("setmocktime", [0]);
    await node.rpc("generatetoaddress", [1, address]);
    await peer.rpc("addnode", [`127.0.0.1:${node.port}`, "onetry"]);
    await until(
      "the peer follows",
      async () => (await peer.rpc("getbestblockhash")) === (await node.rpc("getbestblockhash")),
    );
    const coins: OwnCoin[] = [];
    for (const [i, kind] of (Object.keys(KINDS) as Kind[]).entries()) {
      const found = await node.rpc("scantxoutset", ["start", [descriptors[i]]]);
      for (const { txid, vout, amount, scriptPubKey } of found.unspents) {
        coins.push({ kind, txid, vout, amount, scriptPubKey });
      }
    }
    // The same script as p2wpkh holds the later blocks too, which may not be spent yet.
    const height = await node.rpc("getblockcount");
    const mature: OwnCoin[] = [];
    for (const coin of coins) {
      const { confirmations } = await node.rpc("gettxout", [coin.txid, coin.vout]);
      if (confirmations > 100 && height > 0) mature.push(coin);
    }
    return new RpcWorld(node, peer, address, mature);
  }

  /** Takes a coin that nobody has taken yet, of any kind unless one is named. */
  takeCoin(kind?: Kind): OwnCoin {
    const wanted = kind === undefined ? USUAL.find((usual) => this.#has(usual)) : kind;
    const at = this.coins.findIndex((coin) => coin.kind === wanted);
    if (at < 0) throw new Error(`no coin of kind ${wanted ?? "any"} is left`);
    return this.coins.splice(at, 1)[0]!;
  }

  #has(kind: Kind): boolean {
    return this.coins.some((coin) => coin.kind === kind);
  }

  /** A transaction that spends a coin to our address, unsigned, in hex. */
  async unsigned(coin: OwnCoin, fee = 0.0001, more: Record<string, unknown> = {}): Promise<string> {
    return this.node.rpc("createrawtransaction", {
      inputs: [{ txid: coin.txid, vout: coin.vout }],
      outputs: { [this.address]: (coin.amount - fee).toFixed(8) },
      ...more,
    });
  }

  /** What the signer must be told of a coin's scripts. */
  async prevout(coin: OwnCoin): Promise<Record<string, unknown>> {
    const { txid, vout, scriptPubKey, amount } = coin;
    const known: Record<string, unknown> = { txid, vout, scriptPubKey, amount };
    const publicKeys = await Promise.all(KEYS.map((key) => this.publicKey(key)));
    const multisig = async (type: string): Promise<Reply> =>
      this.node.rpc("createmultisig", [2, publicKeys, type]);
    switch (coin.kind) {
      case "p2sh multisig":
        return { ...known, redeemScript: (await multisig("legacy")).redeemScript };
      case "p2wsh multisig":
      case "p2sh-p2wsh multisig":
        return { ...known, witnessScript: (await multisig("bech32")).redeemScript };
      case "p2sh-p2wpkh": {
        const { scriptPubKey: redeemScript } = await this.node.rpc("validateaddress", [this.address]);
        return { ...known, redeemScript };
      }
      default:
        return known;
    }
  }

  /** The public key of a private one, in hex. */
  async publicKey(key: string): Promise<string> {
    const { descriptor } = await this.node.rpc("getdescriptorinfo", [`pk(${key})`]);
    return /^pk\(([0-9a-f]+)\)/.exec(descriptor)![1]!;
  }

  /** A signed transaction that spends a coin, in hex. */
  async signed(coin: OwnCoin = this.takeCoin(), fee = 0.0001): Promise<string> {
    const { hex, complete, errors } = await this.node.rpc("signrawtransactionwithkey", [
      await this.unsigned(coin, fee),
      KEYS,
      [await this.prevout(coin)],
    ]);
    if (complete !== true) throw new Error(`${coin.kind}: ${JSON.stringify(errors)}`);
    return hex;
  }

  async mine(count = 1): Promise<string[]> {
    return this.node.rpc("generatetoaddress", [count, this.address]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.node[Symbol.asyncDispose](), this.peer[Symbol.asyncDispose]()]);
  }
}
