import assert from "node:assert/strict";
import { test } from "node:test";
import { duration, formatStatus, type NodeStatus, painter, progressText, statusOf } from "./format-status.ts";

const STATUS: NodeStatus = {
  running: true,
  version: "1.2.3",
  network: "main",
  datadir: "/data",
  height: 812_345,
  headers: 870_123,
  progress: 0.6123,
  catchingUp: true,
  bestBlock: "00ff",
  bestBlockTime: 1000,
  peers: { inbound: 2, outbound: 10 },
  mempool: { transactions: 12_345, bytes: 23_400_000, loaded: false },
  diskBytes: 612_345_678_901,
  uptimeSeconds: 11_531,
  warnings: ["beware"],
};

test("the state is told line by line", () => {
  assert.equal(
    formatStatus(STATUS, 1130, (_colour, text) => text),
    [
      "Freehold 1.2.3 on main, running for 3 h 12 min",
      "",
      "  Height     812,345 of 870,123 headers",
      "  Progress   ██████████████░░░░░░░░░░  61.23 %  catching up",
      "  Best block 00ff, 2 min 10 s ago",
      "  Peers      12 (10 out, 2 in)",
      "  Mempool    12,345 transactions, 23.4 MB, loading",
      "  Disk       612.3 GB",
      "  Data       /data",
      "  Warning    beware",
    ].join("\n"),
  );
});

test("it is read off the node's answers", () => {
  const chain = {
    chain: "regtest",
    blocks: 5,
    headers: 6,
    verificationprogress: 0.5,
    initialblockdownload: true,
    bestblockhash: "aa",
    time: 7,
    size_on_disk: 8,
    warnings: ["w"],
  };
  const status = statusOf(
    [chain, { connections_in: 1, connections_out: 2 }, { size: 3, bytes: 4, loaded: true }, 9],
    "v",
    "/d",
  );
  assert.deepEqual(status, {
    running: true,
    version: "v",
    network: "regtest",
    datadir: "/d",
    height: 5,
    headers: 6,
    progress: 0.5,
    catchingUp: true,
    bestBlock: "aa",
    bestBlockTime: 7,
    peers: { inbound: 1, outbound: 2 },
    mempool: { transactions: 3, bytes: 4, loaded: true },
    diskBytes: 8,
    uptimeSeconds: 9,
    warnings: ["w"],
  });
});

test("progress is never whole before it is", () => {
  assert.match(progressText(0.999_999), /^█{23}░ {2}99\.99 %$/);
  assert.match(progressText(1), /^█{24} {2}100\.00 %$/);
  assert.match(progressText(-1), /^░{24} {2}0\.00 %$/);
});

test("times have two units", () => {
  assert.deepEqual([0, 59, 60, 3661, 90_061, 86_400].map(duration), [
    "0 s",
    "59 s",
    "1 min",
    "1 h 1 min",
    "1 d 1 h",
    "1 d",
  ]);
});

test("colours are for terminals, unless the user wants none", (t) => {
  const before = process.env["NO_COLOR"];
  t.after(() => {
    if (before === undefined) delete process.env["NO_COLOR"];
    else process.env["NO_COLOR"] = before;
  });
  delete process.env["NO_COLOR"];
  assert.equal(painter(true)("green", "x"), "\u001b[32mx\u001b[0m");
  assert.equal(painter(false)("green", "x"), "x");
  process.env["NO_COLOR"] = "1";
  assert.equal(painter(true)("green", "x"), "x");
});
