/** Methods about blocks and the chain of them. */
import { toHex, toHexReversed } from "#base/lib/bytes.ts";
import type { Json, JsonObject } from "#base/lib/json.ts";
import type { HeaderNode } from "#ledger/chain/header-node.ts";
import {
  BURIED_DEPLOYMENTS,
  deploymentHeight,
  isActiveAfter,
  scriptFlagsFor,
} from "#protocol/consensus/deployments.ts";
import { compactToTarget } from "#protocol/consensus/pow.ts";
import { scriptFlagNames } from "#protocol/consensus/script-flags.ts";
import { findBlock, parseHash } from "../arguments.ts";
import { blockJson, difficultyOf, headerJson, hex32, hex256 } from "../block-json.ts";
import type { RpcContext } from "../context.ts";
import type { Args, Param, RpcCall, RpcMethod } from "../method.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";
import { readSpentOutputs, readStoredBlock } from "../stored-block.ts";

type Method = RpcMethod<RpcContext>;

const BLOCKHASH: Param = { name: "blockhash", type: "string", required: true, help: "The block hash" };

const getblockchaininfo: Method = {
  name: "getblockchaininfo",
  category: "Blockchain",
  help: "Returns an object containing various state info regarding blockchain processing.",
  params: [],
  result: "An object with the chain's name, heights, hashes, difficulty, times, progress and sizes",
  run({ chain, network, node }) {
    const { tip } = chain;
    return {
      chain: network.name,
      blocks: tip.height,
      headers: chain.headers.best.height,
      bestblockhash: toHexReversed(tip.hash),
      bits: hex32(tip.bits),
      target: hex256(compactToTarget(tip.bits)),
      difficulty: difficultyOf(tip.bits),
      time: tip.time,
      mediantime: tip.medianTimePast(),
      verificationprogress: chain.verificationProgress(tip),
      initialblockdownload: chain.isInitialBlockDownload(),
      chainwork: hex256(tip.chainWork),
      size_on_disk: chain.sizeOnDisk(),
      pruned: node.pruneTarget !== undefined,
      signet_challenge: network.consensus.signetChallenge,
      warnings: [...node.warnings()],
    };
  },
};

const getblockcount: Method = {
  name: "getblockcount",
  category: "Blockchain",
  help: "Returns the height of the most-work fully-validated chain. The genesis block has height 0.",
  params: [],
  result: "n    (numeric) The current block count",
  run: ({ chain }) => chain.tip.height,
};

const getbestblockhash: Method = {
  name: "getbestblockhash",
  category: "Blockchain",
  help: "Returns the hash of the best (tip) block in the most-work fully-validated chain.",
  params: [],
  result: '"hex"    (string) The block hash',
  run: ({ chain }) => toHexReversed(chain.tip.hash),
};

const getdifficulty: Method = {
  name: "getdifficulty",
  category: "Blockchain",
  help: "Returns the proof-of-work difficulty as a multiple of the minimum difficulty.",
  params: [],
  result: "n    (numeric) The difficulty",
  run: ({ chain }) => difficultyOf(chain.tip.bits),
};

const getblockhash: Method = {
  name: "getblockhash",
  category: "Blockchain",
  help: "Returns hash of block in best-block-chain at height provided.",
  params: [{ name: "height", type: "number", required: true, help: "The height index" }],
  result: '"hex"    (string) The block hash',
  run({ chain }, args) {
    const node = chain.activeAt(args.int("height"));
    if (node === undefined) throw new RpcError(RPC_CODE.invalidParameter, "Block height out of range");
    return toHexReversed(node.hash);
  },
};

const getblockheader: Method = {
  name: "getblockheader",
  category: "Blockchain",
  help: "Returns a block header: with verbose false its 80 bytes in hex, else an object.",
  params: [
    BLOCKHASH,
    {
      name: "verbose",
      type: "boolean",
      default: "true",
      help: "true for a json object, false for the hex-encoded data",
    },
  ],
  result: "An object with the header's fields, or hex",
  run({ chain }, args) {
    const node = findBlock(chain, args.value("blockhash"), "hash");
    return args.boolean("verbose", true) ? headerJson(chain, node) : toHex(node.header());
  },
};

const getblock: Method = {
  name: "getblock",
  category: "Blockchain",
  help: "Returns a block: 0 hex, 1 an object with txids, 2 with transactions, 3 with what they spend too.",
  params: [
    BLOCKHASH,
    {
      name: "verbosity",
      aliases: ["verbose"],
      type: "number",
      unchecked: true,
      default: "1",
      help: "0 for hex-encoded data, 1 for a JSON object, 2 for transaction data, 3 for prevouts of inputs too",
    },
  ],
  result: "Hex or an object",
  async run({ chain }, args) {
    const node = findBlock(chain, args.value("blockhash"));
    const verbosity = verbosityOf(args, "verbosity", 1);
    if (!node.hasData) throw new RpcError(RPC_CODE.misc, "Block not available (not fully downloaded)");
    const raw = await readStoredBlock(chain, node);
    if (verbosity <= 0) return toHex(raw);
    const spent = verbosity >= 2 ? await readSpentOutputs(chain, node, raw) : undefined;
    return blockJson(chain, node, raw, verbosity, spent);
  },
};

/** A verbosity that may be given as a boolean, as it once was (Core's ParseVerbosity). */
export function verbosityOf(args: Args, name: string, otherwise: number): number {
  const value = args.value(name);
  if (typeof value === "boolean") return value ? 1 : 0;
  return args.int(name, otherwise);
}

const getchaintips: Method = {
  name: "getchaintips",
  category: "Blockchain",
  help: "Returns all known tips in the block tree, the main chain's as well as those of orphaned branches.",
  params: [],
  result: '[ { "height": n, "hash": "hex", "branchlen": n, "status": "str" }, ... ]',
  run: ({ chain }) =>
    chain.getChainTips().map(({ node, branchLength, status }) => ({
      height: node.height,
      hash: toHexReversed(node.hash),
      branchlen: branchLength,
      status,
    })),
};

const getdeploymentinfo: Method = {
  name: "getdeploymentinfo",
  category: "Blockchain",
  help: "Returns the state of each deployment of consensus changes, as of a block.",
  params: [
    {
      name: "blockhash",
      type: "string",
      default: '"hash of current chain tip"',
      help: "The block to tell of",
    },
  ],
  result: '{ "hash": "hex", "height": n, "script_flags": [...], "deployments": { "name": {...}, ... } }',
  run({ chain, versionbits, network }, args) {
    const node = args.has("blockhash") ? findBlock(chain, args.value("blockhash")) : chain.tip;
    const deployments: JsonObject = {};
    for (const name of BURIED_DEPLOYMENTS) {
      const height = deploymentHeight(network.consensus, name);
      // Core leaves out a buried deployment that is set to never.
      if (height === 0x7fff_ffff) continue;
      deployments[name] = { type: "buried", active: isActiveAfter(network, node, name), height };
    }
    for (const name of versionbits.names()) deployments[name] = signalledDeployment(name);
    const flags = scriptFlagsFor(network, node.hash, node.height);
    return {
      hash: toHexReversed(node.hash),
      height: node.height,
      script_flags: scriptFlagNames(flags).sort(),
      deployments,
    };

    function signalledDeployment(name: string): Json {
      const info = versionbits.info(node, name);
      const { bit, startTime, timeout, minActivationHeight } = versionbits.deployment(name);
      const { statistics } = info;
      return {
        type: "bip9",
        height: info.activeSince,
        active: info.next === "active",
        bip9: {
          bit: statistics === undefined ? undefined : bit,
          start_time: startTime,
          timeout,
          min_activation_height: minActivationHeight,
          status: info.state,
          since: info.since,
          status_next: info.next,
          statistics:
            statistics === undefined
              ? undefined
              : {
                  period: statistics.period,
                  elapsed: statistics.elapsed,
                  count: statistics.count,
                  ...(info.state === "locked_in"
                    ? {}
                    : { threshold: statistics.threshold, possible: statistics.possible }),
                },
          signalling:
            statistics === undefined
              ? undefined
              : info.signalling.map((signals) => (signals ? "#" : "-")).join(""),
        },
      };
    }
  },
};

const verifychain: Method = {
  name: "verifychain",
  category: "Blockchain",
  help: "Verifies blockchain database.",
  params: [
    { name: "checklevel", type: "number", default: "3, range=0-4", help: "How thorough the verification is" },
    { name: "nblocks", type: "number", default: "6, 0=all", help: "The number of blocks to check" },
  ],
  result: "true|false    (boolean) Verification finished successfully",
  run: ({ chain }, args, { signal }) =>
    chain.verifyChain(args.int("checklevel", 3), args.int("nblocks", 6), signal),
};

const invalidateblock: Method = {
  name: "invalidateblock",
  category: "hidden",
  help: "Permanently marks a block as invalid, as if it violated a consensus rule.",
  params: [BLOCKHASH],
  result: "null",
  async run({ chain }, args) {
    await chain.invalidateBlock(findBlock(chain, args.value("blockhash")));
    return null;
  },
};

const reconsiderblock: Method = {
  name: "reconsiderblock",
  category: "hidden",
  help: "Removes invalidity status of a block, its ancestors and its descendants.",
  params: [BLOCKHASH],
  result: "null",
  async run({ chain }, args) {
    await chain.reconsiderBlock(findBlock(chain, args.value("blockhash")));
    return null;
  },
};

const preciousblock: Method = {
  name: "preciousblock",
  category: "Blockchain",
  help: "Treats a block as if it were received before others with the same work.",
  params: [BLOCKHASH],
  result: "null",
  async run({ chain }, args) {
    await chain.preciousBlock(findBlock(chain, args.value("blockhash")));
    return null;
  },
};

/** Waits until the tip pleases `done`, for `timeout` ms (0: for ever), and tells the tip. */
async function waitForTip(
  { chain }: RpcContext,
  call: RpcCall,
  timeout: number,
  done: (tip: HeaderNode) => boolean,
): Promise<JsonObject> {
  if (timeout < 0) throw new RpcError(RPC_CODE.misc, "Negative timeout");
  if (!done(chain.tip)) {
    await new Promise<void>((resolve) => {
      const finish = () => {
        off();
        clearTimeout(timer);
        resolve();
      };
      const off = chain.updated.on(({ tip }) => {
        if (done(tip)) finish();
      });
      const timer = timeout > 0 ? setTimeout(finish, timeout) : undefined;
      call.signal.addEventListener("abort", finish, { once: true });
    });
  }
  return { hash: toHexReversed(chain.tip.hash), height: chain.tip.height };
}

const TIMEOUT: Param = {
  name: "timeout",
  type: "number",
  default: "0",
  help: "Time in milliseconds to wait for a response. 0 indicates no timeout.",
};

const waitfornewblock: Method = {
  name: "waitfornewblock",
  category: "Blockchain",
  help: "Waits for any new block and returns useful info about it.",
  params: [
    TIMEOUT,
    { name: "current_tip", type: "string", help: "Wait for the tip to differ from this hash" },
  ],
  result: '{ "hash": "hex", "height": n }',
  run(context, args, call) {
    const current = args.has("current_tip")
      ? toHexReversed(parseHash(args.value("current_tip"), "current_tip"))
      : toHexReversed(context.chain.tip.hash);
    return waitForTip(context, call, args.int("timeout", 0), (tip) => toHexReversed(tip.hash) !== current);
  },
};

const waitforblock: Method = {
  name: "waitforblock",
  category: "Blockchain",
  help: "Waits for a specific new block and returns useful info about it.",
  params: [BLOCKHASH, TIMEOUT],
  result: '{ "hash": "hex", "height": n }',
  run(context, args, call) {
    const wanted = toHexReversed(parseHash(args.value("blockhash"), "blockhash"));
    return waitForTip(context, call, args.int("timeout", 0), (tip) => toHexReversed(tip.hash) === wanted);
  },
};

const waitforblockheight: Method = {
  name: "waitforblockheight",
  category: "Blockchain",
  help: "Waits for (at least) block height and returns the height and hash of the current tip.",
  params: [{ name: "height", type: "number", required: true, help: "Block height to wait for" }, TIMEOUT],
  result: '{ "hash": "hex", "height": n }',
  run(context, args, call) {
    const height = args.int("height");
    return waitForTip(context, call, args.int("timeout", 0), (tip) => tip.height >= height);
  },
};

export const blockchainMethods: readonly Method[] = [
  getblockchaininfo,
  getblockcount,
  getbestblockhash,
  getdifficulty,
  getblockhash,
  getblockheader,
  getblock,
  getchaintips,
  getdeploymentinfo,
  verifychain,
  invalidateblock,
  reconsiderblock,
  preciousblock,
  waitfornewblock,
  waitforblock,
  waitforblockheight,
];
