/** Where a part says what it does. Categories are Core's (`net`, `validation`, …), so `-debug=net` works. */
export interface Logger {
  /** Always written. */
  info(text: string): void;
  /** Written, and shown to the user. */
  warn(text: string): void;
  error(text: string): void;
  /** Written when the category is switched on; the text is only made then. */
  debug(category: LogCategory, text: () => string): void;
}

/** Core v31's log categories (logging.cpp). */
export const LOG_CATEGORIES = [
  "net",
  "tor",
  "mempool",
  "http",
  "bench",
  "zmq",
  "walletdb",
  "rpc",
  "estimatefee",
  "addrman",
  "selectcoins",
  "reindex",
  "cmpctblock",
  "rand",
  "prune",
  "proxy",
  "mempoolrej",
  "libevent",
  "coindb",
  "qt",
  "leveldb",
  "validation",
  "i2p",
  "ipc",
  "lock",
  "blockstorage",
  "txreconciliation",
  "scan",
  "txpackages",
  "kernel",
  "privatebroadcast",
] as const;

export type LogCategory = (typeof LOG_CATEGORIES)[number];

export const silentLogger: Logger = { info() {}, warn() {}, error() {}, debug() {} };
