import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { main, regtest } from "#protocol/bitcoin/networks.ts";
import {
  chainSettings,
  feeRateSetting,
  mempoolSettings,
  miningSettings,
  peerSettings,
  rpcSettings,
  scriptThreads,
} from "./component-options.ts";
import { ConfigError, Settings } from "./settings.ts";

const NETWORK = regtest();

function given(...args: string[]): Settings {
  const settings = new Settings();
  settings.readCommandLine(args);
  settings.network = "regtest";
  return settings;
}

function refused(run: () => unknown, message: string | RegExp): void {
  assert.throws(
    run,
    (error) =>
      error instanceof ConfigError &&
      (typeof message === "string" ? error.message === message : message.test(error.message)),
  );
}

test("-par counts threads, from all cores down when it is not positive", () => {
  assert.equal(scriptThreads(given("-par=3")), 3);
  assert.equal(scriptThreads(given("-par=999")), 16);
  assert.equal(scriptThreads(given("-par=0")), Math.min(16, availableParallelism()));
  assert.equal(scriptThreads(given("-par=-999")), 1);
});

test("hashes and work are hex, with or without 0x", () => {
  assert.equal(chainSettings(given("-minimumchainwork=0x10")).minimumChainWork, 16n);
  assert.equal(chainSettings(given("-assumevalid=0")).assumeValid, "0");
  assert.equal(chainSettings(given("-assumevalid=AB")).assumeValid, "ab".padStart(64, "0"));
  assert.equal("assumeValid" in chainSettings(given()), false);
  refused(
    () => chainSettings(given("-minimumchainwork=xyz")),
    "Invalid minimum work specified (xyz), must be up to 64 hex digits",
  );
  refused(
    () => chainSettings(given(`-assumevalid=${"0".repeat(65)}`)),
    /^Invalid assumevalid block hash specified/,
  );
});

test("fee rates are exact decimals", () => {
  assert.equal(feeRateSetting(given("-minrelaytxfee=0.00001"), "minrelaytxfee", 5), 1000);
  assert.equal(feeRateSetting(given(), "minrelaytxfee", 5), 5);
  refused(
    () => feeRateSetting(given("-minrelaytxfee=x"), "minrelaytxfee", 5),
    "Invalid amount for -minrelaytxfee=<amount>: 'x'",
  );
});

test("the mempool follows its options", () => {
  const options = mempoolSettings(
    given("-maxmempool=5", "-mempoolexpiry=2", "-datacarrier=0", "-limitclustersize=50"),
    NETWORK,
  );
  assert.equal(options.maxSize, 5_000_000);
  assert.equal(options.expiry, 7200);
  assert.equal(options.maxDataCarrierBytes, undefined);
  assert.equal(options.maxClusterSize, 50_000);
  // A minimum below the step would never be reached.
  assert.equal(mempoolSettings(given("-incrementalrelayfee=0.00005"), NETWORK).minRelayFee, 5000);
  const settings = given("-acceptnonstdtxn");
  settings.network = "main";
  refused(() => mempoolSettings(settings, main), "acceptnonstdtxn is not currently supported for main chain");
});

test("mining follows its options", () => {
  const options = miningSettings(
    given("-blockmaxweight=100000", "-blockmintxfee=0.00002", "-blockversion=7"),
  );
  assert.deepEqual(options, { maxWeight: 100_000, reservedWeight: 8000, minFeeRate: 2000, version: 7 });
});

test("a node that is told nothing listens on loopback alone", () => {
  const options = peerSettings(given(), NETWORK);
  assert.deepEqual(options.bind, ["127.0.0.1:18444"]);
  assert.equal(options.discover, false);
  assert.equal(options.listen, true);
  assert.deepEqual(peerSettings(given("-listen=1"), NETWORK).bind, []);
  assert.deepEqual(peerSettings(given("-port=5"), NETWORK).bind, ["127.0.0.1:5"]);
});

test("-connect ends listening and DNS, unless -bind or the user says otherwise", () => {
  const alone = peerSettings(given("-connect=0"), NETWORK);
  assert.deepEqual([alone.connect, alone.listen, alone.dnsSeed], [[], false, false]);
  assert.deepEqual(peerSettings(given("-noconnect"), NETWORK).connect, []);
  assert.deepEqual(peerSettings(given("-connect=a", "-connect=b"), NETWORK).connect, ["a", "b"]);
  assert.equal(peerSettings(given(), NETWORK).connect, undefined);
  assert.equal(peerSettings(given("-connect=0", "-bind=127.0.0.1"), NETWORK).listen, true);
  assert.equal(peerSettings(given("-connect=0", "-listen=1"), NETWORK).listen, true);
  assert.equal(peerSettings(given("-maxconnections=0"), NETWORK).listen, false);
});

test("-blocksonly takes the right to relay from the whitelist, -whitelistforcerelay gives it", () => {
  assert.equal(peerSettings(given("-blocksonly"), NETWORK).whitelistRelay, false);
  assert.equal(peerSettings(given("-whitelistforcerelay"), NETWORK).whitelistRelay, true);
});

test("the upload target has units", () => {
  const target = (text: string) => peerSettings(given(`-maxuploadtarget=${text}`), NETWORK).maxUploadTarget;
  assert.deepEqual(
    ["1", "1M", "1m", "2k", "2K", "1G"].map(target),
    [1_048_576, 1_048_576, 1_000_000, 2000, 2048, 1_073_741_824],
  );
  refused(() => target("x"), "Unable to parse -maxuploadtarget: 'x'");
});

test("comments of the user agent are bounded in length and alphabet", () => {
  const comments = (...all: string[]) =>
    peerSettings(given(...all.map((comment) => `-uacomment=${comment}`)), NETWORK).uaComments;
  assert.deepEqual(comments("testnode0", "a.b_c"), ["testnode0", "a.b_c"]);
  refused(() => comments("a/b"), "User Agent comment (a/b) contains unsafe characters.");
  refused(
    () => comments("a".repeat(256)),
    /^Total length of network version string \(\d+\) exceeds maximum length \(256\)\. Reduce/,
  );
  refused(() => peerSettings(given("-peertimeout=0"), NETWORK), "peertimeout must be a positive integer.");
});

test("RPC leaves loopback only when both -rpcbind and -rpcallowip are given", () => {
  const loopback = [
    { host: "127.0.0.1", port: 18_443 },
    { host: "::1", port: 18_443 },
  ];
  assert.deepEqual(rpcSettings(given(), NETWORK).binds, loopback);
  const bound = rpcSettings(given("-rpcbind=0.0.0.0"), NETWORK);
  assert.deepEqual(bound.binds, loopback);
  assert.match(bound.warnings[0] ?? "", /refusing to allow everyone/);
  const open = rpcSettings(
    given("-rpcbind=10.0.0.1:5", "-rpcbind=[::1]", "-rpcbind=::2", "-rpcallowip=10.0.0.0/8", "-rpcport=7"),
    NETWORK,
  );
  assert.deepEqual(open.binds, [
    { host: "10.0.0.1", port: 5 },
    { host: "::1", port: 7 },
    { host: "::2", port: 7 },
  ]);
});
