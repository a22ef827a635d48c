/** Methods that make, load, lock and describe wallets (Core: wallet/rpc/wallet.cpp, encrypt.cpp, addresses.cpp). */
import type { Json, JsonObject } from "#base/lib/json.ts";
import type { Wallet } from "#money/wallet/wallet.ts";
import { ADDRESS_TYPES, type AddressType } from "#money/wallet/wallet-views.ts";
import {
  calledWallet,
  lastProcessedBlock,
  syncedWallet,
  untilSynced,
  unwrap,
  walletsOf,
} from "../called-wallet.ts";
import type { RpcContext } from "../context.ts";
import { type Args, expectString, type Param, type RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";

type Method = RpcMethod<RpcContext>;

/** What Core's descriptor wallets answer. */
const WALLET_VERSION = 169_900;

const LOAD_ON_STARTUP: Param = {
  name: "load_on_startup",
  type: "boolean",
  help: "Save wallet name to persistent settings and load on startup. True to add wallet to startup list, false to remove, null to leave unchanged.",
};

function loadOnStartup(args: Args): { loadOnStartup?: boolean } {
  return args.has("load_on_startup") ? { loadOnStartup: args.boolean("load_on_startup", false) } : {};
}

function unsupported(what: string): RpcError {
  return new RpcError(RPC_CODE.walletError, what);
}

const createwallet: Method = {
  name: "createwallet",
  category: "Wallet",
  help: "Creates and loads a new wallet with a seed of 24 words, which `freehold wallet words` shows.",
  params: [
    { name: "wallet_name", type: "string", required: true, help: "The name for the new wallet." },
    {
      name: "disable_private_keys",
      type: "boolean",
      default: "false",
      help: "Disable the possibility of private keys; not supported.",
    },
    { name: "blank", type: "boolean", default: "false", help: "Create a blank wallet; not supported." },
    { name: "passphrase", type: "string", help: "Encrypt the seed with this passphrase." },
    {
      name: "avoid_reuse",
      type: "boolean",
      default: "false",
      help: "Keep track of coin reuse; not supported.",
    },
    { name: "descriptors", type: "boolean", default: "true", help: 'If set, must be "true"' },
    LOAD_ON_STARTUP,
    {
      name: "external_signer",
      type: "boolean",
      default: "false",
      help: "Use an external signer such as a hardware wallet; not supported.",
    },
  ],
  result: '{ "name": "str", "warnings": [...] }',
  async run(context, args, call) {
    const name = args.string("wallet_name");
    if (name === "") throw new RpcError(RPC_CODE.invalidParameter, "Wallet name cannot be empty");
    if (args.boolean("disable_private_keys", false)) {
      throw unsupported("Wallets without private keys are not supported");
    }
    if (args.boolean("blank", false)) throw unsupported("Blank wallets are not supported");
    if (args.boolean("avoid_reuse", false)) throw unsupported("avoid_reuse is not supported");
    if (!args.boolean("descriptors", true)) {
      throw unsupported(
        'descriptors argument must be set to "true"; it is no longer possible to create a legacy wallet.',
      );
    }
    if (args.boolean("external_signer", false)) throw unsupported("External signers are not supported");
    const passphrase = args.string("passphrase", "");
    const isEmpty = args.has("passphrase") && passphrase === "";
    const made = await walletsOf(context).create(name, {
      passphrase: passphrase === "" ? undefined : passphrase,
      ...loadOnStartup(args),
    });
    // Scripts look for this text, to load the wallet instead.
    const exists = `Wallet file verification failed. Failed to create database path '${name}'. Database already exists.`;
    const { wallet } = unwrap(made, !made.ok && made.refusal === "exists" ? exists : undefined);
    await untilSynced(wallet, call.signal);
    return {
      name,
      warnings: isEmpty ? ["Empty string given as passphrase, wallet will not be encrypted."] : undefined,
    };
  },
};

const loadwallet: Method = {
  name: "loadwallet",
  category: "Wallet",
  help: "Loads a wallet from the directory of wallets.",
  params: [
    { name: "filename", type: "string", required: true, help: "The name of the wallet." },
    LOAD_ON_STARTUP,
  ],
  result: '{ "name": "str", "warnings": [...] }',
  async run(context, args, call) {
    const name = args.string("filename");
    const wallets = walletsOf(context);
    const loaded = await wallets.load(name, loadOnStartup(args));
    if (!loaded.ok && loaded.refusal === "not-found") {
      const text = `Wallet file verification failed. Failed to load database path '${name}'. Path does not exist.`;
      throw new RpcError(RPC_CODE.walletNotFound, text);
    }
    const { wallet } = unwrap(loaded, loaded.ok ? undefined : loadedText(loaded.refusal, name));
    await untilSynced(wallet, call.signal);
    return { name };
  },
};

function loadedText(refusal: string, name: string): string | undefined {
  return refusal === "already-loaded" ? `Wallet "${name}" is already loaded.` : undefined;
}

const unloadwallet: Method = {
  name: "unloadwallet",
  category: "Wallet",
  help: "Unloads the wallet referenced by the request endpoint or the wallet_name argument.",
  params: [
    {
      name: "wallet_name",
      type: "string",
      default: "the wallet name from the RPC endpoint",
      help: "The name of the wallet to unload. If provided both here and in the RPC endpoint, the two must be identical.",
    },
    LOAD_ON_STARTUP,
  ],
  result: '{ "warnings": [...] }',
  async run(context, args, call) {
    const given = args.has("wallet_name") ? args.string("wallet_name") : undefined;
    const wallets = walletsOf(context);
    if (given !== undefined && call.wallet !== undefined && given !== call.wallet) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        "The RPC endpoint wallet and the wallet name parameter specify different wallets",
      );
    }
    const name = given ?? call.wallet;
    if (name === undefined) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        "Either the RPC endpoint wallet or the wallet name parameter must be provided",
      );
    }
    unwrap(
      await wallets.unload(name, loadOnStartup(args)),
      "Requested wallet does not exist or is not loaded",
    );
    return {};
  },
};

const listwallets: Method = {
  name: "listwallets",
  category: "Wallet",
  help: "Returns a list of currently loaded wallets.",
  params: [],
  result: '[ "str", ... ]',
  run: (context) => walletsOf(context).list(),
};

const listwalletdir: Method = {
  name: "listwalletdir",
  category: "Wallet",
  help: "Returns a list of wallets in the wallet directory.",
  params: [],
  result: '{ "wallets": [ { "name": "str" }, ... ] }',
  async run(context) {
    const names = await walletsOf(context).names();
    return { wallets: names.map((name) => ({ name })) };
  },
};

const getwalletinfo: Method = {
  name: "getwalletinfo",
  category: "Wallet",
  help: "Returns an object containing various wallet state info.",
  params: [],
  result: "An object with the wallet's state",
  run(context, _args, call): JsonObject {
    const wallet = calledWallet(context, call);
    const info = wallet.info();
    return {
      walletname: info.name,
      walletversion: WALLET_VERSION,
      format: "freehold",
      txcount: info.txCount,
      keypoolsize: info.keypoolSize.receiving,
      keypoolsize_hd_internal: info.keypoolSize.change,
      unlocked_until: info.unlockedUntil,
      private_keys_enabled: true,
      avoid_reuse: false,
      scanning: info.scanning === undefined ? false : { ...info.scanning },
      descriptors: true,
      external_signer: false,
      blank: false,
      birthtime: info.birthTime,
      flags: ["descriptors"],
      lastprocessedblock: lastProcessedBlock(wallet),
    };
  },
};

/** An address type of the arguments. @throws RpcError −5 for an unknown one, −12 for one that the wallet has not */
function addressType(value: Json): AddressType {
  if (value === null) return "bech32";
  const text = expectString(value);
  const found = ADDRESS_TYPES.find((type) => type === text);
  if (found !== undefined) return found;
  if (text === "legacy" || text === "p2sh-segwit") {
    throw new RpcError(RPC_CODE.walletKeypoolRanOut, `Error: No ${text} addresses available.`);
  }
  throw new RpcError(RPC_CODE.invalidAddressOrKey, `Unknown address type '${text}'`);
}

const getnewaddress: Method = {
  name: "getnewaddress",
  category: "Wallet",
  help: "Returns a new Bitcoin address for receiving payments.",
  params: [
    { name: "label", type: "string", default: '""', help: "The label name for the address." },
    {
      name: "address_type",
      type: "string",
      default: "set by -addresstype",
      help: 'The address type to use. Options are "bech32" and "bech32m".',
    },
  ],
  result: '"str"    (string) The new bitcoin address',
  async run(context, args, call) {
    const wallet = calledWallet(context, call);
    const label = args.string("label", "");
    if (label === "*") throw new RpcError(RPC_CODE.walletInvalidLabelName, "Invalid label name");
    return wallet.newAddress(addressType(args.value("address_type")), label === "" ? undefined : label);
  },
};

const getrawchangeaddress: Method = {
  name: "getrawchangeaddress",
  category: "Wallet",
  help: "Returns a new Bitcoin address, for receiving change. This is for use with raw transactions, NOT normal use.",
  params: [
    {
      name: "address_type",
      type: "string",
      default: "set by -changetype",
      help: 'The address type to use. Options are "bech32" and "bech32m".',
    },
  ],
  result: '"str"    (string) The address',
  async run(context, args, call) {
    return calledWallet(context, call).newChangeAddress(addressType(args.value("address_type")));
  },
};

function refuseOpen(wallet: Wallet, method: string): void {
  if (wallet.isEncrypted) return;
  throw new RpcError(
    RPC_CODE.walletWrongEncState,
    `Error: running with an unencrypted wallet, but ${method} was called.`,
  );
}

const walletpassphrase: Method = {
  name: "walletpassphrase",
  category: "Wallet",
  help: "Stores the wallet decryption key in memory for 'timeout' seconds, so that it can sign.",
  params: [
    { name: "passphrase", type: "string", required: true, help: "The wallet passphrase" },
    {
      name: "timeout",
      type: "number",
      required: true,
      help: "The time to keep the decryption key in seconds; capped at 100000000 (~3 years).",
    },
  ],
  result: "null    (json null)",
  async run(context, args, call) {
    const wallet = calledWallet(context, call);
    refuseOpen(wallet, "walletpassphrase");
    const timeout = args.number("timeout");
    if (timeout < 0) throw new RpcError(RPC_CODE.invalidParameter, "Timeout cannot be negative.");
    const passphrase = args.string("passphrase");
    if (passphrase === "") throw new RpcError(RPC_CODE.invalidParameter, "passphrase cannot be empty");
    unwrap(await wallet.unlock(passphrase, timeout));
    return null;
  },
};

const walletlock: Method = {
  name: "walletlock",
  category: "Wallet",
  help: "Removes the wallet encryption key from memory, locking the wallet.",
  params: [],
  result: "null    (json null)",
  async run(context, _args, call) {
    const wallet = calledWallet(context, call);
    refuseOpen(wallet, "walletlock");
    unwrap(await wallet.lock());
    return null;
  },
};

const encryptwallet: Method = {
  name: "encryptwallet",
  category: "Wallet",
  help: "Encrypts the wallet's seed with 'passphrase'. After this, any calls that interact with private keys require the passphrase to be set by walletpassphrase.",
  params: [
    {
      name: "passphrase",
      type: "string",
      required: true,
      help: "The pass phrase to encrypt the wallet with. It must be at least 1 character, but should be long.",
    },
  ],
  result: '"str"    (string) A string with further instructions',
  async run(context, args, call) {
    const wallet = await syncedWallet(context, call);
    const passphrase = args.string("passphrase");
    if (passphrase === "") throw new RpcError(RPC_CODE.invalidParameter, "passphrase cannot be empty");
    unwrap(
      await wallet.encrypt(passphrase),
      "Error: running with an encrypted wallet, but encryptwallet was called.",
    );
    return "wallet encrypted; The seed is the same as before: the words that were written down still bring it back.";
  },
};

export const walletMethods: readonly Method[] = [
  createwallet,
  loadwallet,
  unloadwallet,
  listwallets,
  listwalletdir,
  getwalletinfo,
  getnewaddress,
  getrawchangeaddress,
  walletpassphrase,
  walletlock,
  encryptwallet,
];
