/** Methods for miners. */

import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Json, JsonObject } from "#base/lib/json.ts";
import { blockTime } from "#ledger/mining/block-time.ts";
import {
  DEFAULT_MAX_TRIES,
  generateBlock,
  generateBlocks,
  transactionsNamed,
} from "#ledger/mining/generate.ts";
import { isRefusal, type MiningRefusal, type MiningRefusalKind } from "#ledger/mining/mining-refusal.ts";
import { networkHashRate } from "#ledger/mining/network-hash-rate.ts";
import { scriptOfAddress, scriptOfDescriptor, scriptOfOutput } from "#ledger/mining/output-script.ts";
import { submitBlock } from "#ledger/mining/submit-block.ts";
import { parseHeader } from "#protocol/bitcoin/block-table.ts";
import { compactToTarget, nextWorkRequired } from "#protocol/consensus/pow.ts";
import { rejectionText } from "#protocol/consensus/rejection.ts";
import { feePerKvb } from "#protocol/policy/fee-rate.ts";
import { amountJson } from "../amount-json.ts";
import { parseHex } from "../arguments.ts";
import { difficultyOf, hex32, hex256 } from "../block-json.ts";
import type { RpcContext } from "../context.ts";
import { stringsOf } from "../descriptor-arguments.ts";
import { expectString, type Param, type RpcMethod, typeName } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";

type Method = RpcMethod<RpcContext>;

const REFUSAL_CODES: Readonly<Record<MiningRefusalKind, number>> = {
  "invalid-parameter": RPC_CODE.invalidParameter,
  "invalid-address-or-key": RPC_CODE.invalidAddressOrKey,
  deserialization: RPC_CODE.deserialization,
  verify: RPC_CODE.verifyError,
  internal: RPC_CODE.internalError,
  misc: RPC_CODE.misc,
};

/** The result of a mining call, or its refusal as an RPC error. */
function unwrap<T>(result: T | MiningRefusal): T {
  if (typeof result === "object" && result !== null && isRefusal(result)) {
    throw new RpcError(REFUSAL_CODES[result.kind], result.text);
  }
  return result as T;
}

const getmininginfo: Method = {
  name: "getmininginfo",
  category: "Mining",
  help: "Returns a json object containing mining-related information.",
  params: [],
  result: "An object with heights, difficulty, hash rate and the next block's target",
  run({ chain, network, mempool, mining, node }) {
    const { tip } = chain;
    const last = mining.lastTemplate();
    const time = blockTime(tip, network, mining.generate.chain.now());
    const bits = nextWorkRequired(tip, time, network);
    return {
      blocks: tip.height,
      currentblockweight: last?.weight,
      currentblocktx: last?.entries.length,
      bits: hex32(tip.bits),
      difficulty: difficultyOf(tip.bits),
      target: hex256(compactToTarget(tip.bits)),
      networkhashps: unwrap(networkHashRate(tip, network, 120, -1)),
      pooledtx: mempool.size,
      blockmintxfee: amountJson(feePerKvb(mining.generate.options.minFeeRate)),
      chain: network.name,
      signet_challenge: network.consensus.signetChallenge,
      next: {
        height: tip.height + 1,
        bits: hex32(bits),
        difficulty: difficultyOf(bits),
        target: hex256(compactToTarget(bits)),
      },
      warnings: [...node.warnings()],
    };
  },
};

const getnetworkhashps: Method = {
  name: "getnetworkhashps",
  category: "Mining",
  help: "Returns the estimated network hashes per second based on the last n blocks.",
  params: [
    {
      name: "nblocks",
      type: "number",
      default: "120",
      help: "The number of previous blocks to calculate estimate from, or -1 for blocks since last difficulty change.",
    },
    { name: "height", type: "number", default: "-1", help: "To estimate at the time of the given height." },
  ],
  result: "n    (numeric) Hashes per second estimated",
  run({ chain, network }, args) {
    return unwrap(networkHashRate(chain.tip, network, args.int("nblocks", 120), args.int("height", -1)));
  },
};

const MAX_TRIES: Param = {
  name: "maxtries",
  type: "number",
  default: String(DEFAULT_MAX_TRIES),
  help: "How many iterations to try.",
};

async function generate(
  context: RpcContext,
  count: number,
  script: Uint8Array,
  tries: number,
): Promise<Json> {
  const hashes = unwrap(await generateBlocks(count, script, tries, context.mining.generate));
  return hashes.map((hash) => toHexReversed(hash));
}

const generatetoaddress: Method = {
  name: "generatetoaddress",
  category: "hidden",
  help: "Mine to a specified address and return the block hashes.",
  params: [
    { name: "nblocks", type: "number", required: true, help: "How many blocks are generated." },
    {
      name: "address",
      type: "string",
      required: true,
      help: "The address to send the newly generated bitcoin to.",
    },
    MAX_TRIES,
  ],
  result: "Hashes of blocks generated",
  run(context, args) {
    const count = args.int("nblocks");
    const tries = args.number("maxtries", DEFAULT_MAX_TRIES);
    const script = unwrap(scriptOfAddress(args.string("address"), context.network));
    return generate(context, count, script, tries);
  },
};

const generatetodescriptor: Method = {
  name: "generatetodescriptor",
  category: "hidden",
  help: "Mine to a specified descriptor and return the block hashes.",
  params: [
    { name: "num_blocks", type: "number", required: true, help: "How many blocks are generated." },
    {
      name: "descriptor",
      type: "string",
      required: true,
      help: "The descriptor to send the newly generated bitcoin to.",
    },
    MAX_TRIES,
  ],
  result: "Hashes of blocks generated",
  run(context, args) {
    const count = args.int("num_blocks");
    const tries = args.number("maxtries", DEFAULT_MAX_TRIES);
    const script = unwrap(scriptOfDescriptor(args.string("descriptor"), context.network));
    return generate(context, count, script, tries);
  },
};

const generateblock: Method = {
  name: "generateblock",
  category: "hidden",
  help: "Mine a set of ordered transactions to a specified address or descriptor and return the block hash.",
  params: [
    {
      name: "output",
      type: "string",
      required: true,
      help: "The address or descriptor to send the newly generated bitcoin to.",
    },
    {
      name: "transactions",
      type: "array",
      required: true,
      content: '"rawtx/txid",...',
      help: "An array of hex strings which are either txids or raw transactions.",
    },
    {
      name: "submit",
      type: "boolean",
      default: "true",
      help: "Whether to submit the block before the RPC call returns or to return it as hex.",
    },
  ],
  result: '{ "hash": "hex", "hex": "hex" }',
  async run({ network, mempool, mining }, args) {
    const script = unwrap(scriptOfOutput(args.string("output"), network));
    const txs = unwrap(transactionsNamed(stringsOf(args.value("transactions")), mempool));
    const submit = args.boolean("submit", true);
    const made = unwrap(await generateBlock(script, txs, submit, mining.generate));
    return { hash: toHexReversed(made.hash), hex: submit ? undefined : toHex(made.block) };
  },
};

const getblocktemplate: Method = {
  name: "getblocktemplate",
  category: "Mining",
  help: "Returns data needed to construct a block to work on (BIP22, BIP23, BIP9, BIP145).",
  params: [
    {
      name: "template_request",
      type: "object",
      required: true,
      content:
        '"mode":"str","capabilities":["str",...],"rules":["segwit","str",...],"longpollid":"str","data":"hex"',
      help: "Format of the template",
    },
  ],
  result: "The template; for a proposal null when it would be accepted, else why not",
  async run(context, args, call) {
    const request = args.object("template_request");
    const mode = request["mode"] ?? "template";
    if (mode === "proposal") {
      if (typeof request["data"] !== "string") {
        throw new RpcError(RPC_CODE.typeError, "Missing data String key for proposal");
      }
      return unwrap(await context.mining.templates.judgeProposal(parseBlockHex(request["data"])));
    }
    if (mode !== "template") throw new RpcError(RPC_CODE.invalidParameter, "Invalid mode");
    refuseUnsynced(context);
    const longPollId = request["longpollid"];
    const query = {
      rules: request["rules"] === undefined ? [] : stringsOf(request["rules"]),
      ...(longPollId === undefined ? {} : { longPollId: typeof longPollId === "string" ? longPollId : null }),
    };
    const answer = context.mining.templates.answer(query, () => call.signal.aborted);
    // A long poll may still wait when the node stops or the client is gone.
    return unwrap(await Promise.race([answer, shutDown(call.signal)])) as JsonObject;
  },
};

/** Rejects as soon as the call is to end. */
function shutDown(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const refuse = () => reject(new RpcError(RPC_CODE.clientNotConnected, "Shutting down"));
    if (signal.aborted) refuse();
    else signal.addEventListener("abort", refuse, { once: true });
  });
}

function parseBlockHex(value: Json): Uint8Array {
  const text = expectString(value);
  try {
    return parseHex(text, "data");
  } catch {
    throw new RpcError(RPC_CODE.deserialization, "Block decode failed");
  }
}

/** On main a template without peers, or before the chain is caught up, would waste work. */
function refuseUnsynced({ network, chain, peers }: RpcContext): void {
  if (network.name !== "main") return;
  if (peers === undefined) {
    throw new RpcError(RPC_CODE.clientP2pDisabled, "Error: Peer-to-peer functionality missing or disabled");
  }
  if (peers.connectionCounts().total === 0) {
    throw new RpcError(RPC_CODE.clientNotConnected, "Freehold is not connected!");
  }
  if (chain.isInitialBlockDownload()) {
    throw new RpcError(
      RPC_CODE.clientInInitialDownload,
      "Freehold is in initial sync and waiting for blocks...",
    );
  }
}

const submitblock: Method = {
  name: "submitblock",
  category: "Mining",
  help: "Attempts to submit new block to network.",
  params: [
    { name: "hexdata", type: "string", required: true, help: "the hex-encoded block data to submit" },
    { name: "dummy", type: "string", default: "ignored", help: "dummy value, for compatibility with BIP22." },
  ],
  result: "null if the block was accepted, else why not",
  run: async (context, args) =>
    unwrap(await submitBlock(parseBlockHex(args.value("hexdata")), context.mining.generate)),
};

const submitheader: Method = {
  name: "submitheader",
  category: "Mining",
  help: "Decode the given hexdata as a header and submit it as a candidate chain tip if valid.",
  params: [{ name: "hexdata", type: "string", required: true, help: "the hex-encoded block header data" }],
  result: "null",
  async run({ chain }, args) {
    const raw = parseHeaderHex(args.value("hexdata"));
    const { prevHash } = parseHeader(raw);
    if (chain.headers.lookup(prevHash) === undefined) {
      throw new RpcError(
        RPC_CODE.verifyError,
        `Must submit previous header (${toHexReversed(prevHash)}) first`,
      );
    }
    const { rejection } = await chain.acceptHeaders(raw, { minPowChecked: true });
    if (rejection !== undefined) throw new RpcError(RPC_CODE.verifyError, rejectionText(rejection));
    return null;
  },
};

function parseHeaderHex(value: Json): Uint8Array {
  const failed = new RpcError(RPC_CODE.deserialization, "Block header decode failed");
  if (typeName(value) !== "string" || !/^([0-9a-fA-F]{2})*$/.test(value as string)) throw failed;
  const raw = parseHex(value, "hexdata");
  try {
    parseHeader(raw);
  } catch (error) {
    if (error instanceof DecodeError) throw failed;
    throw error;
  }
  return raw.subarray(0, 80);
}

export const miningMethods: readonly Method[] = [
  getmininginfo,
  getnetworkhashps,
  generatetoaddress,
  generatetodescriptor,
  generateblock,
  getblocktemplate,
  submitblock,
  submitheader,
];
