/** Arguments for the wallet's RPC methods. Each call finds one loaded wallet, the right one for its method. */
import type { Arguments, Cases } from "./rpc-cases.ts";
import { KEYS, type RpcWorld } from "./rpc-world.ts";

const PASSPHRASE = "a pass phrase";

export class WalletCases {
  readonly cases: Cases;
  readonly #world: RpcWorld;
  #made = 0;

  private constructor(world: RpcWorld, payment: { address: string; txid: string }) {
    this.#world = world;
    const funded = (given: Arguments) => async () => {
      await this.#only("funded");
      return given;
    };
    const locked = (given: Arguments) => async () => {
      await this.#only("locked");
      return given;
    };
    this.cases = {
      createwallet: async () => {
        await this.#only(undefined);
        return [this.#newName(), false, false, PASSPHRASE, false, true, false, false];
      },
      loadwallet: async () => {
        await this.#only("funded");
        await this.#unload("funded");
        return ["funded", false];
      },
      unloadwallet: async () => {
        await this.#only("funded");
        return ["funded", false];
      },
      listwallets: funded([]),
      listwalletdir: funded([]),
      getwalletinfo: funded([]),
      getnewaddress: funded(["a label", "bech32m"]),
      getrawchangeaddress: funded(["bech32"]),
      getbalance: funded(["*", 1, false, false]),
      getbalances: funded([]),
      listunspent: funded([0, 100, [], true, { minimumAmount: 0.01 }]),
      listtransactions: funded(["*", 5, 0, false]),
      gettransaction: funded([payment.txid, false, true]),
      sendtoaddress: funded([
        payment.address,
        "0.001",
        "rent",
        "landlady",
        false,
        true,
        null,
        "unset",
        true,
        2.5,
        true,
      ]),
      walletpassphrase: locked([PASSPHRASE, 60]),
      walletlock: locked([]),
      encryptwallet: async () => {
        await this.#only(undefined);
        await this.#world.node.rpc("createwallet", [this.#newName()]);
        return [PASSPHRASE];
      },
    };
  }

  /** Makes the wallets: one with coins and a payment, one under a passphrase. */
  static async of(world: RpcWorld): Promise<WalletCases> {
    const { node } = world;
    await node.rpc("createwallet", ["locked", false, false, PASSPHRASE]);
    await node.rpc("unloadwallet", ["locked"]);
    await node.rpc("createwallet", ["funded"]);
    const own: string = await node.rpc("getnewaddress", ["coins"]);
    const coin = world.takeCoin();
    const unsigned = await node.rpc("createrawtransaction", {
      inputs: [{ txid: coin.txid, vout: coin.vout }],
      outputs: { [own]: (coin.amount - 0.001).toFixed(8) },
    });
    const prevouts = [await world.prevout(coin)];
    const { hex } = await node.rpc("signrawtransactionwithkey", [unsigned, KEYS, prevouts]);
    await node.rpc("sendrawtransaction", [hex]);
    await world.mine();
    const { address } = world;
    const txid: string = await node.rpc("sendtoaddress", { address, amount: 0.5, fee_rate: 3 });
    await world.mine();
    return new WalletCases(world, { address, txid });
  }

  #newName(): string {
    this.#made++;
    return `made ${this.#made}`;
  }

  async #unload(name: string): Promise<void> {
    await this.#world.node.rpc("unloadwallet", { wallet_name: name });
  }

  /** Leaves one wallet loaded, or none. */
  async #only(name: string | undefined): Promise<void> {
    const { node } = this.#world;
    const loaded: string[] = await node.rpc("listwallets");
    for (const other of loaded) if (other !== name) await this.#unload(other);
    if (name !== undefined && !loaded.includes(name)) await node.rpc("loadwallet", [name]);
  }
}
