/** Every option that Core knows, given at once: nobody's configuration keeps a node from starting. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../../demo/free-port.ts";
import { startNode, temporaryDirectory } from "./node-process.ts";

const PATH = join(import.meta.dirname, "../../../shared/compat/options.json");

/** Options that end the program, choose another network, or are given by every test. */
const APART = [
  "help",
  "version",
  "daemon",
  "daemonwait",
  "stopatheight",
  "stopafterblockimport",
  "chain",
  "signet",
  "signetchallenge",
  "testnet",
  "testnet4",
  "datadir",
  "regtest",
  // Contradicts others here.
  "prune",
  // Stands in the file.
  "includeconf",
  "conf",
  // A password takes the place of the cookie.
  "rpcpassword",
  "rpcuser",
  "rpccookiefile",
];

test("every option of Core's at once", { skip: !existsSync(PATH) && `${PATH} is not there` }, async () => {
  const { bitcoind } = JSON.parse(readFileSync(PATH, "utf8")) as {
    bitcoind: Record<string, { value?: string; default?: string }>;
  };
  const datadir = temporaryDirectory();
  const [port, rpcPort] = [await freePort(), await freePort()];
  writeFileSync(join(datadir, "empty.conf"), "");
  const values: Record<string, string> = {
    assumevalid: "0",
    asmap: "0",
    bind: `127.0.0.1:${port}`,
    blockfilterindex: "basic",
    blocksdir: datadir,
    connect: "0",
    debug: "net",
    debugexclude: "leveldb",
    dnsseed: "0",
    forcednsseed: "0",
    listen: "1",
    loglevel: "trace",
    minimumchainwork: "0",
    onlynet: "ipv4",
    port: String(port),
    printtoconsole: "0",
    proxy: "0",
    onion: "0",
    rpcallowip: "127.0.0.1",
    rpcauth: `user:salt$${"0".repeat(64)}`,
    rpcbind: "127.0.0.1",
    rpcport: String(rpcPort),
    rpccookieperms: "owner",
    rpcwhitelist: "user:help",
    rpcwhitelistdefault: "0",
    server: "1",
    test: "bip94",
    testactivationheight: "segwit@2",
    vbparams: "testdummy:0:1",
    uacomment: "all",
    externalip: "1.2.3.4",
    addnode: "127.0.0.1:1",
    seednode: "127.0.0.1:1",
    whitelist: "noban@127.0.0.1",
    whitebind: `noban@127.0.0.1:${await freePort()}`,
    loadblock: join(datadir, "gone.dat"),
    mocktime: "0",
    maxmempool: "300",
    settings: "settings.json",
    pid: "bitcoind.pid",
    debuglogfile: "debug.log",
    dbbatchsize: "33554432",
    networkactive: "1",
    timeout: "5000",
    bantime: "86400",
    mempoolexpiry: "336",
    limitclustercount: "64",
    par: "1",
    dns: "0",
    reindex: "0",
  };
  const given = Object.entries(bitcoind)
    .filter(([name]) => !APART.includes(name))
    .map(([name, { value, default: usual }]) => {
      const number = /^-?\d+(\.\d+)?/.exec(usual ?? "")?.[0];
      const otherwise = value === undefined ? (number ?? "1") : value === "<cmd>" ? "true" : (number ?? "x");
      return `-${name}=${values[name] ?? otherwise}`;
    });
  assert.ok(given.length > 155);
  const only = [`-datadir=${datadir}`, "-regtest", "-noconf", ...given];
  await using node = await startNode({ datadir, port, rpcPort, network: "", only });
  assert.match((await node.rpc("getnetworkinfo")).subversion, /\(all\)\/$/);
  const { warnings } = await node.rpc("getblockchaininfo");
  assert.deepEqual(warnings, []);
  // What changes nothing is told in the log.
  assert.ok(node.debugLog.includes("[warning] -txindex has no effect in this version"));
  assert.deepEqual(await node.stop(), { code: 0, signal: null, stdout: "", stderr: "" });
});
