import assert from "node:assert/strict";
import { test } from "node:test";
import type { Network, VersionbitsDeployment } from "#protocol/bitcoin/network.ts";
import { main, NO_TIMEOUT, regtest, signet, testnet4 } from "#protocol/bitcoin/networks.ts";
import { firstHeader, type TestHeader } from "../../../test/support/test-header.ts";
import { VersionbitsCache } from "./versionbits.ts";

const TOP = 0x2000_0000;
const SIGNAL = TOP | (1 << 7);
const START = 1_000_000;
const PERIOD = 20;

function networkWith(change: Partial<VersionbitsDeployment>, name = "regtest"): Network {
  const base = regtest();
  const deployment = { bit: 7, startTime: START, timeout: NO_TIMEOUT, minActivationHeight: 0 };
  const rules = { ...deployment, period: PERIOD, threshold: 15, ...change };
  return { ...base, name, consensus: { ...base.consensus, deployments: { rule: rules } } };
}

/** Whole periods: how many blocks of each signal, first of all, from genesis on; one second apart. */
function chain(time: number, ...signals: number[]): TestHeader {
  let tip: TestHeader | undefined;
  for (const count of signals) {
    for (let i = 0; i < PERIOD; i++) {
      const fields = { version: i < count ? SIGNAL : TOP, time: tip === undefined ? time : tip.time + 1 };
      tip = tip === undefined ? firstHeader(fields) : tip.next(fields);
    }
  }
  return tip!;
}

test("defined, started, locked in, active, each from the start of a period", () => {
  const cache = new VersionbitsCache(networkWith({}));
  const tip = chain(START, 0, 15, 0, 0);
  const states = [0, 1, 19, 20, 38, 39, 58, 59, 78, 79].map((height) => {
    const parent = height === 0 ? null : tip.ancestor(height - 1);
    return `${height} ${cache.state(parent, "rule")} ${cache.stateSince(parent, "rule")}`;
  });
  assert.deepEqual(states, [
    "0 defined 0",
    "1 defined 0",
    "19 defined 0",
    "20 started 20",
    "38 started 20",
    "39 started 20",
    "58 locked_in 40",
    "59 locked_in 40",
    "78 active 60",
    "79 active 60",
  ]);
  assert.equal(cache.state(tip, "rule"), "active");
  assert.equal(cache.stateSince(tip, "rule"), 60);
});

test("the start is the median time past of the last block before the period", () => {
  const early = chain(START - 14, 0);
  assert.equal(early.medianTimePast(), START - 14 + 14, "19 − 5");
  assert.equal(new VersionbitsCache(networkWith({})).state(early, "rule"), "started");
  assert.equal(new VersionbitsCache(networkWith({})).state(chain(START - 15, 0), "rule"), "defined");
});

test("one signal below the threshold is not enough; at the time-out it still may lock in, else it fails", () => {
  const below = new VersionbitsCache(networkWith({}));
  assert.equal(below.state(chain(START, 0, 14), "rule"), "started");
  const timeout = networkWith({ timeout: START + 30 });
  assert.equal(new VersionbitsCache(timeout).state(chain(START, 0, 14), "rule"), "failed");
  assert.equal(new VersionbitsCache(timeout).state(chain(START, 0, 14, 20), "rule"), "failed");
  assert.equal(new VersionbitsCache(timeout).state(chain(START, 0, 15), "rule"), "locked_in");
  // A time-out before the start cannot fail a deployment that has not started (BIP341's change to BIP9).
  const past = networkWith({ timeout: START - 1 });
  assert.equal(new VersionbitsCache(past).state(chain(START, 0), "rule"), "started");
});

test("locked in waits for the minimum activation height", () => {
  const cache = new VersionbitsCache(networkWith({ minActivationHeight: 61 }));
  const tip = chain(START, 0, 20, 0, 0);
  assert.equal(cache.state(tip.ancestor(59), "rule"), "locked_in");
  assert.equal(cache.state(tip, "rule"), "active");
  assert.equal(cache.stateSince(tip.ancestor(59), "rule"), 40);
});

test("always and never active have no history", () => {
  const always = new VersionbitsCache(networkWith({ startTime: -1 }));
  assert.equal(always.state(null, "rule"), "active");
  assert.equal(always.stateSince(null, "rule"), 0);
  assert.deepEqual(always.names(), ["rule"]);
  const never = new VersionbitsCache(networkWith({ startTime: -2 }));
  assert.equal(never.state(chain(START, 20, 20), "rule"), "failed");
  assert.deepEqual(never.names(), []);
});

test("forks have states of their own", () => {
  const cache = new VersionbitsCache(networkWith({}));
  const trunk = chain(START, 0);
  const yes = trunk.extend(20, () => ({ version: SIGNAL }));
  const no = trunk.extend(20, () => ({ version: TOP }));
  assert.equal(cache.state(yes, "rule"), "locked_in");
  assert.equal(cache.state(no, "rule"), "started");
});

test("a version without the top bits signals nothing", () => {
  for (const version of [1 << 7, 0x6000_0000 | (1 << 7), 0xa000_0080 | 0, 0x4000_0080]) {
    const tip = chain(START, 0).extend(20, () => ({ version }));
    assert.equal(new VersionbitsCache(networkWith({})).state(tip, "rule"), "started");
  }
});

test("what getdeploymentinfo tells: while started", () => {
  const cache = new VersionbitsCache(networkWith({}));
  const trunk = chain(START, 0);
  const tip = trunk.extend(8, (height) => ({ version: height % 2 === 0 ? SIGNAL : TOP }));
  assert.deepEqual(cache.info(tip, "rule"), {
    state: "started",
    next: "started",
    since: 20,
    statistics: { period: 20, threshold: 15, elapsed: 8, count: 4, possible: true },
    signalling: [true, false, true, false, true, false, true, false],
    activeSince: undefined,
  });
  const hopeless = tip.extend(4, () => ({ version: TOP }));
  assert.equal(cache.info(hopeless, "rule").statistics?.possible, false);
  assert.equal(
    cache.info(
      tip.extend(1, () => ({ version: TOP })),
      "rule",
    ).statistics?.possible,
    true,
  );
});

test("what getdeploymentinfo tells: locked in, and active", () => {
  const cache = new VersionbitsCache(networkWith({}));
  const tip = chain(START, 0, 20, 3, 0);
  const locked = cache.info(tip.ancestor(58)!, "rule");
  assert.deepEqual(locked.statistics, { period: 20, threshold: 0, elapsed: 19, count: 3, possible: false });
  assert.deepEqual([locked.state, locked.next, locked.activeSince], ["locked_in", "locked_in", undefined]);
  const eve = cache.info(tip.ancestor(59)!, "rule");
  assert.deepEqual([eve.state, eve.next, eve.since, eve.activeSince], ["locked_in", "active", 40, 60]);
  const active = cache.info(tip, "rule");
  assert.deepEqual([active.state, active.since, active.activeSince], ["active", 60, 60]);
  assert.equal(active.statistics, undefined);
  assert.deepEqual(active.signalling, []);
});

test("a new block signals for what is started or locked in", () => {
  const cache = new VersionbitsCache(networkWith({}));
  const tip = chain(START, 0, 20, 0);
  assert.equal(cache.blockVersion(null), TOP);
  assert.equal(cache.blockVersion(tip.ancestor(19)), SIGNAL);
  assert.equal(cache.blockVersion(tip.ancestor(39)), SIGNAL);
  assert.equal(cache.blockVersion(tip), TOP);
});

test("unknown rules: bits that no deployment of ours explains, by retarget periods off main", () => {
  const cache = new VersionbitsCache(networkWith({ startTime: -2 }));
  const foreign = TOP | (1 << 3);
  const trunk = firstHeader({ time: START }).extend(143, () => ({ version: TOP }));
  const quiet = trunk.extend(144, (height) => ({ version: height < 144 + 107 ? foreign : TOP }));
  assert.deepEqual(cache.unknownDeployments(quiet), [], "107 of 144");
  const locked = trunk.extend(144, (height) => ({ version: height < 144 + 108 ? foreign : TOP }));
  assert.deepEqual(cache.unknownDeployments(locked), [{ bit: 3, active: false }]);
  assert.deepEqual(cache.unknownDeployments(locked.extend(144)), [{ bit: 3, active: true }]);
  const top = trunk.extend(144, () => ({ version: TOP | (1 << 28) }));
  assert.deepEqual(cache.unknownDeployments(top), [{ bit: 28, active: false }]);
});

test("our own deployment is no unknown one while we would signal for it", () => {
  const rules = networkWith({ bit: 3, startTime: 0, period: 144, threshold: 108 });
  const cache = new VersionbitsCache(rules);
  const signal = TOP | (1 << 3);
  const tip = firstHeader({ time: START, version: TOP }).extend(143 + 288, () => ({ version: signal }));
  assert.equal(cache.state(tip, "rule"), "active");
  assert.deepEqual(cache.unknownDeployments(tip), []);
});

test("main watches from taproot on, 1,815 of 2,016", () => {
  const cache = new VersionbitsCache(main);
  const foreign = TOP | (1 << 20);
  const before = firstHeader({ time: START, version: TOP }, 711_647 - 2016 * 2).extend(2016 * 2, () => ({
    version: foreign,
  }));
  assert.equal(before.height, 711_647);
  assert.deepEqual(cache.unknownDeployments(before), []);
  const most = before.extend(2016, (height) => ({ version: height < 711_648 + 1815 ? foreign : TOP }));
  assert.deepEqual(cache.unknownDeployments(most), [{ bit: 20, active: false }]);
  const few = before.extend(2016, (height) => ({ version: height < 711_648 + 1814 ? foreign : TOP }));
  assert.deepEqual(cache.unknownDeployments(few), []);
});

test("the networks' own deployments", () => {
  for (const network of [testnet4, signet(), regtest()]) {
    const cache = new VersionbitsCache(network);
    if (network.consensus.deployments["taproot"] === undefined) continue;
    assert.equal(cache.state(null, "taproot"), "active", network.name);
  }
  assert.equal(new VersionbitsCache(main).state(null, "testdummy"), "failed");
  assert.equal(new VersionbitsCache(regtest()).state(null, "testdummy"), "defined");
});
