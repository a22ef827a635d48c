/** Methods about peers and the p2p network. */
import type { Json, JsonObject } from "#base/lib/json.ts";
import { JsonNumber } from "#base/lib/json.ts";
import type { PeerControl } from "#ledger/peers/peer-control.ts";
import { CONNECTION_TYPES, type NetworkName, type PeerInfo } from "#ledger/peers/peer-info.ts";
import { serviceNames } from "#protocol/wire/services.ts";
import { amountJson } from "../amount-json.ts";
import type { RpcContext } from "../context.ts";
import type { RpcMethod } from "../method.ts";
import { helpText } from "../method-help.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";

type Method = RpcMethod<RpcContext>;

function peersOf({ peers }: RpcContext): PeerControl {
  if (peers === undefined) {
    throw new RpcError(RPC_CODE.clientP2pDisabled, "Error: Peer-to-peer functionality missing or disabled");
  }
  return peers;
}

const servicesHex = (services: bigint): string => services.toString(16).padStart(16, "0");

const getconnectioncount: Method = {
  name: "getconnectioncount",
  category: "Network",
  help: "Returns the number of connections to other nodes.",
  params: [],
  result: "n    (numeric) The connection count",
  run: (context) => peersOf(context).connectionCounts().total,
};

const ping: Method = {
  name: "ping",
  category: "Network",
  help: "Requests that a ping be sent to all other nodes. Results are in getpeerinfo's pingtime and pingwait.",
  params: [],
  result: "null",
  run(context) {
    peersOf(context).pingAll();
    return null;
  },
};

function peerJson(peer: PeerInfo): JsonObject {
  return {
    id: peer.id,
    addr: peer.addr,
    addrbind: peer.addrBind,
    addrlocal: peer.addrLocal,
    network: peer.network,
    mapped_as: peer.mappedAs,
    services: servicesHex(peer.services),
    servicesnames: [...peer.servicesNames],
    relaytxes: peer.relayTxes,
    last_inv_sequence: peer.lastInvSequence,
    inv_to_send: peer.invToSend,
    lastsend: peer.lastSend,
    lastrecv: peer.lastRecv,
    last_transaction: peer.lastTransaction,
    last_block: peer.lastBlock,
    bytessent: peer.bytesSent,
    bytesrecv: peer.bytesRecv,
    conntime: peer.connTime,
    timeoffset: peer.timeOffset,
    pingtime: peer.pingTime,
    minping: peer.minPing,
    pingwait: peer.pingWait,
    version: peer.version,
    subver: peer.subver,
    inbound: peer.inbound,
    bip152_hb_to: peer.bip152HbTo,
    bip152_hb_from: peer.bip152HbFrom,
    presynced_headers: peer.presyncedHeaders,
    synced_headers: peer.syncedHeaders,
    synced_blocks: peer.syncedBlocks,
    inflight: [...peer.inflight],
    addr_relay_enabled: peer.addrRelayEnabled,
    addr_processed: peer.addrProcessed,
    addr_rate_limited: peer.addrRateLimited,
    permissions: [...peer.permissions],
    minfeefilter: amountJson(peer.minFeeFilter),
    bytessent_per_msg: { ...peer.bytesSentPerMessage },
    bytesrecv_per_msg: { ...peer.bytesRecvPerMessage },
    connection_type: peer.connectionType,
    transport_protocol_type: peer.transportProtocolType,
    session_id: peer.sessionId,
  };
}

const getpeerinfo: Method = {
  name: "getpeerinfo",
  category: "Network",
  help: "Returns data about each connected network peer as a json array of objects.",
  params: [],
  result: "One object for each peer, by id",
  run: (context) => peersOf(context).peers().map(peerJson),
};

const addnode: Method = {
  name: "addnode",
  category: "Network",
  help: "Attempts to add or remove a node from the addnode list, or try a connection to a node once.",
  params: [
    { name: "node", type: "string", required: true, help: "The address of the peer to connect to" },
    {
      name: "command",
      type: "string",
      required: true,
      help: "'add' to add a node to the list, 'remove' to remove a node from the list, 'onetry' to try a connection to the node once",
    },
    {
      name: "v2transport",
      type: "boolean",
      default: "set by -v2transport",
      help: "Attempt to connect using BIP324 v2 transport protocol (ignored for 'remove' command)",
    },
  ],
  result: "null",
  run(context, args) {
    const peers = peersOf(context);
    const node = args.string("node");
    if (args.boolean("v2transport", false)) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        "Error: v2transport requested but not enabled (see -v2transport)",
      );
    }
    switch (args.string("command")) {
      case "onetry":
        peers.connectOnce(node);
        return null;
      case "add":
        if (peers.addNode(node)) return null;
        throw new RpcError(RPC_CODE.clientNodeAlreadyAdded, "Error: Node already added");
      case "remove":
        if (peers.removeNode(node)) return null;
        throw new RpcError(
          RPC_CODE.clientNodeNotAdded,
          "Error: Node could not be removed. It has not been added previously.",
        );
      default:
        throw new RpcError(RPC_CODE.misc, helpText(addnode));
    }
  },
};

const addconnection: Method = {
  name: "addconnection",
  category: "hidden",
  help: "Open an outbound connection to a specified node (-regtest only).",
  params: [
    {
      name: "address",
      type: "string",
      required: true,
      help: "The IP address and port to attempt connecting to",
    },
    {
      name: "connection_type",
      type: "string",
      required: true,
      help: 'Type of connection to open ("outbound-full-relay", "block-relay-only", "addr-fetch" or "feeler")',
    },
    {
      name: "v2transport",
      type: "boolean",
      required: true,
      help: "Attempt to connect using BIP324 v2 transport",
    },
  ],
  result: '{ "address": "str", "connection_type": "str" }',
  async run(context, args) {
    if (!context.network.mineBlocksOnDemand) {
      throw new RpcError(RPC_CODE.misc, "addconnection is for regression testing (-regtest mode) only.");
    }
    const type = CONNECTION_TYPES.find((name) => name === args.string("connection_type"));
    if (type === undefined || type === "inbound" || type === "manual") {
      throw new RpcError(RPC_CODE.invalidParameter, helpText(addconnection));
    }
    if (args.boolean("v2transport", false)) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        "Error: Adding v2transport connections requires -v2transport init flag to be set.",
      );
    }
    const address = args.string("address");
    if (!(await peersOf(context).addConnection(address, type))) {
      throw new RpcError(
        RPC_CODE.clientNodeCapacityReached,
        "Error: Already at capacity for specified connection type.",
      );
    }
    return { address, connection_type: type };
  },
};

const disconnectnode: Method = {
  name: "disconnectnode",
  category: "Network",
  help: "Immediately disconnects from the specified peer node, named by 'address' or by 'nodeid', not both.",
  params: [
    {
      name: "address",
      type: "string",
      default: "fallback to nodeid",
      help: "The IP address and port of the node",
    },
    { name: "nodeid", type: "number", default: "fallback to address", help: "The node ID (see getpeerinfo)" },
  ],
  result: "null",
  run(context, args) {
    const peers = peersOf(context);
    let found: boolean;
    if (args.has("address") && !args.has("nodeid")) found = peers.disconnectByAddress(args.string("address"));
    else if (args.has("nodeid") && (!args.has("address") || args.string("address") === "")) {
      found = peers.disconnectById(args.int("nodeid"));
    } else {
      throw new RpcError(RPC_CODE.invalidParams, "Only one of address and nodeid should be provided.");
    }
    if (!found) throw new RpcError(RPC_CODE.clientNodeNotConnected, "Node not found in connected nodes");
    return null;
  },
};

const setnetworkactive: Method = {
  name: "setnetworkactive",
  category: "Network",
  help: "Disable/enable all p2p network activity.",
  params: [
    { name: "state", type: "boolean", required: true, help: "true to enable networking, false to disable" },
  ],
  result: "true|false    (boolean) The value that was passed in",
  run(context, args) {
    const peers = peersOf(context);
    peers.setNetworkActive(args.boolean("state", true));
    return peers.networkActive;
  },
};

const getnettotals: Method = {
  name: "getnettotals",
  category: "Network",
  help: "Returns information about network traffic, including bytes in, bytes out, and current system time.",
  params: [],
  result: "An object with totals and the upload target",
  run(context) {
    const totals = peersOf(context).netTotals();
    const { uploadTarget } = totals;
    return {
      totalbytesrecv: totals.totalBytesRecv,
      totalbytessent: totals.totalBytesSent,
      timemillis: totals.timeMillis,
      uploadtarget: {
        timeframe: uploadTarget.timeframe,
        target: uploadTarget.target,
        target_reached: uploadTarget.targetReached,
        serve_historical_blocks: uploadTarget.serveHistoricalBlocks,
        bytes_left_in_cycle: uploadTarget.bytesLeftInCycle,
        time_left_in_cycle: uploadTarget.timeLeftInCycle,
      },
    };
  },
};

const getnetworkinfo: Method = {
  name: "getnetworkinfo",
  category: "Network",
  help: "Returns an object containing various state info regarding P2P networking.",
  params: [],
  result: "An object with versions, services, connections, networks, fees and addresses",
  run(context) {
    const { node } = context;
    const peers = peersOf(context);
    const counts = peers.connectionCounts();
    return {
      version: node.clientVersion,
      subversion: peers.subversion,
      protocolversion: node.protocolVersion,
      localservices: servicesHex(peers.localServices),
      localservicesnames: serviceNames(peers.localServices),
      localrelay: !peers.options.blocksOnly,
      timeoffset: peers.timeOffset,
      networkactive: peers.networkActive,
      connections: counts.total,
      connections_in: counts.inbound,
      connections_out: counts.outbound,
      networks: peers.networks().map((network) => ({
        name: network.name,
        limited: network.limited,
        reachable: network.reachable,
        proxy: network.proxy,
        proxy_randomize_credentials: network.proxyRandomizeCredentials,
      })),
      relayfee: amountJson(node.relayFee),
      incrementalfee: amountJson(node.incrementalFee),
      localaddresses: peers.localAddresses().map(({ address, port, score }) => ({ address, port, score })),
      warnings: [...node.warnings()],
    };
  },
};

const addpeeraddress: Method = {
  name: "addpeeraddress",
  category: "hidden",
  help: "Add the address of a potential peer to an address manager table. This RPC is for testing only.",
  params: [
    { name: "address", type: "string", required: true, help: "The IP address of the peer" },
    { name: "port", type: "number", required: true, help: "The port of the peer" },
    {
      name: "tried",
      type: "boolean",
      default: "false",
      help: "If true, attempt to add the peer to the tried table",
    },
  ],
  result: '{ "success": true|false, "error": "str" }',
  run(context, args) {
    const port = args.int("port");
    if (port < 0 || port > 65_535) throw new RpcError(RPC_CODE.misc, "JSON integer out of range");
    const result = peersOf(context).addPeerAddress(
      args.string("address"),
      port,
      args.boolean("tried", false),
    );
    if (result === undefined) throw new RpcError(RPC_CODE.clientInvalidIpOrSubnet, "Invalid IP address");
    return { success: result.success, error: result.error };
  },
};

const NETWORKS: readonly NetworkName[] = ["ipv4", "ipv6", "onion", "i2p", "cjdns"];

const getaddrmaninfo: Method = {
  name: "getaddrmaninfo",
  category: "Network",
  help: "Provides information about the node's address manager by returning the number of addresses in the new and tried tables and their sum for all networks.",
  params: [],
  result: '{ "network": { "new": n, "tried": n, "total": n }, ... }',
  run: (context) => peersOf(context).addressBookCounts(),
};

const getnodeaddresses: Method = {
  name: "getnodeaddresses",
  category: "Network",
  help: "Return known addresses, after filtering for quality and recency.",
  params: [
    {
      name: "count",
      type: "number",
      default: "1",
      help: "The maximum number of addresses to return. 0 for all.",
    },
    {
      name: "network",
      type: "string",
      default: "all networks",
      help: `Return only addresses of one of: ${NETWORKS.join(", ")}`,
    },
  ],
  result: '[ { "time": xxx, "services": n, "address": "str", "port": n, "network": "str" }, ... ]',
  run(context, args) {
    const count = args.int("count", 1);
    if (count < 0) throw new RpcError(RPC_CODE.invalidParameter, "Address count out of range");
    const name = args.has("network") ? args.string("network") : undefined;
    const network = NETWORKS.find((known) => known === name);
    if (name !== undefined && network === undefined) {
      throw new RpcError(RPC_CODE.invalidParameter, `Network not recognized: ${name}`);
    }
    return peersOf(context)
      .nodeAddresses(count, network)
      .map(
        (entry): Json => ({
          time: entry.time,
          services: new JsonNumber(entry.services.toString()),
          address: entry.address,
          port: entry.port,
          network: entry.network,
        }),
      );
  },
};

export const networkMethods: readonly Method[] = [
  getconnectioncount,
  ping,
  getpeerinfo,
  addnode,
  addconnection,
  disconnectnode,
  setnetworkactive,
  getnettotals,
  getnetworkinfo,
  addpeeraddress,
  getnodeaddresses,
  getaddrmaninfo,
];
