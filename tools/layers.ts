/**
 * The layers of the house: what each folder of src/ may import. The single place in code; the reasons are in
 * ARCHITECTURE.md. A row names folders by their path under src/ (or the root for test, demo, tools).
 */

const BASE = ["base/lib", "base/crypto", "base/store", "base/workers"];
const PROTOCOL = ["protocol/bitcoin", "protocol/consensus", "protocol/policy", "protocol/wire"];
const LEDGER = [
  "ledger/chain",
  "ledger/index",
  "ledger/mempool",
  "ledger/mining",
  "ledger/peers",
  "ledger/light",
];
const MONEY = ["money/ports", "money/wallet", "money/channels", "money/swaps"];
const SHARING = [
  "sharing/mesh",
  "sharing/content",
  "sharing/deals",
  "sharing/storage",
  "sharing/compute/core",
  "sharing/compute",
  "sharing/relay",
];
const DOORS = ["doors/rpc", "doors/electrum", "doors/s3", "doors/api"];

/** Folder → folders it may import from. A folder may always import from itself. */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "base/lib": [],
  "base/crypto": ["base/lib"],
  "base/store": ["base/lib"],
  "base/workers": ["base/lib"],

  "protocol/bitcoin": ["base/lib", "base/crypto"],
  "protocol/consensus": ["base/lib", "base/crypto", "protocol/bitcoin"],
  "protocol/wire": ["base/lib", "base/crypto", "protocol/bitcoin"],
  "protocol/policy": ["base/lib", "protocol/bitcoin", "protocol/consensus"],

  "ledger/chain": [...BASE, "protocol/bitcoin", "protocol/consensus"],
  "ledger/index": [...BASE, "protocol/bitcoin", "protocol/wire"],
  "ledger/mempool": [...BASE, "protocol/bitcoin", "protocol/consensus", "protocol/policy"],
  "ledger/mining": [...BASE, "protocol/bitcoin", "protocol/consensus", "protocol/policy", "ledger/mempool"],
  "ledger/peers": [...BASE, ...PROTOCOL, "ledger/chain", "ledger/mempool"],
  "ledger/light": [
    ...BASE,
    "protocol/bitcoin",
    "protocol/consensus",
    "protocol/wire",
    "ledger/chain",
    "ledger/peers",
  ],

  "money/ports": ["base/lib", "protocol/bitcoin"],
  "money/wallet": [...BASE, "protocol/bitcoin", "protocol/consensus", "protocol/policy", "money/ports"],
  "money/channels": [...BASE, "protocol/bitcoin", "protocol/consensus", "protocol/policy", "money/ports"],
  "money/swaps": [...BASE, "protocol/bitcoin", "protocol/consensus", "protocol/policy", "money/ports"],

  "sharing/mesh": [...BASE],
  "sharing/content": [...BASE, "sharing/mesh"],
  "sharing/deals": [...BASE, "sharing/mesh"],
  "sharing/storage": [...BASE, "sharing/mesh", "sharing/content", "sharing/deals"],
  // Bytes in, bytes out; of the mesh its CBOR and its schemas.
  "sharing/compute/core": ["base/lib", "base/crypto", "sharing/mesh"],
  "sharing/compute": [...BASE, "sharing/mesh", "sharing/content", "sharing/deals", "sharing/compute/core"],
  "sharing/relay": [...BASE, "sharing/mesh", "sharing/content", "sharing/deals"],

  "doors/rpc": [...BASE, ...PROTOCOL, ...LEDGER, "money/wallet"],
  "doors/electrum": [
    "base/lib",
    "base/crypto",
    "protocol/bitcoin",
    "ledger/chain",
    "ledger/index",
    "ledger/mempool",
  ],
  "doors/s3": ["base/lib", "base/crypto", "sharing/storage"],
  "doors/api": ["base/lib", "base/crypto", "protocol/bitcoin", ...LEDGER, ...MONEY],
  "doors/cli": ["base/lib", "protocol/bitcoin", "node/config"],

  "node/config": ["base/lib", "protocol/bitcoin"],
  node: [...BASE, ...PROTOCOL, ...LEDGER, ...MONEY, ...SHARING, ...DOORS, "node/config"],
};

/** Folders a row may import types from, and nothing that runs. */
export const TYPES_ONLY: Readonly<Record<string, readonly string[]>> = {
  "doors/api": SHARING,
  "doors/cli": ["doors/rpc", "doors/api"],
  "sharing/compute/core": ["sharing/content"],
};

/**
 * Folders that hold no I/O and run in a browser: they may import no `node:` module. Tests beside them may.
 */
export const PURE: readonly string[] = ["base/lib", ...PROTOCOL, "sharing/compute/core"];
