import assert from "node:assert/strict";
import { test } from "node:test";
import {
  duration,
  formatStart,
  formatStatus,
  type NodeStatus,
  painter,
  progressText,
  statusOf,
} from "./format-status.ts";

const STATUS: NodeStatus = {
  running: true,
  version: "1.2.3",
  network: "main",
  datadir: "/data",
  ledger: "own",
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

test("both processes are told of, and a missing ledger", () => {
  const services = {
    api: "http://127.0.0.1:8420",
    sharing: {
      state: "running",
      peer: "12D3KooWx",
      listening: ["/ip4/127.0.0.1/tcp/8440"],
      s3: "http://127.0.0.1:9000",
    },
  } as const;
  const own = { uptime: 61, version: "1.2.3", network: "regtest", datadir: "/data" };
  const plain = (_colour: string, text: string) => text;
  assert.equal(
    formatStatus(statusOf(own, undefined, services), 0, plain),
    [
      "Freehold 1.2.3 on regtest, running for 1 min 1 s",
      "",
      "  Ledger     none",
      "  Data       /data",
      "  Dashboard  http://127.0.0.1:8420",
      "  Sharing    running as 12D3KooWx",
      "  Mesh       /ip4/127.0.0.1/tcp/8440",
      "  S3         http://127.0.0.1:9000",
    ].join("\n"),
  );
  const places = { rpc: "127.0.0.1:18443", freeBytes: 5e9, login: "http://127.0.0.1:8420/#k=x" };
  assert.equal(
    formatStart(statusOf(own, undefined, services), places, plain),
    [
      " ✓ data: /data, 5.0 GB free",
      " ✓ ports: RPC 127.0.0.1:18443 · S3 127.0.0.1:9000 · mesh /ip4/127.0.0.1/tcp/8440 · dashboard 127.0.0.1:8420",
      " ✓ sharing as 12D3KooWx",
      "   Open http://127.0.0.1:8420/#k=x",
    ].join("\n"),
  );
  const off = { ...services, sharing: { state: "off", reason: "no wallet" } } as const;
  assert.match(formatStatus(statusOf(own, undefined, off), 0, plain), /\n {2}Sharing {4}off: no wallet$/);
  assert.match(formatStart(statusOf(own, undefined, off), places, plain), /\n ○ not sharing: no wallet\n/);
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
    { uptime: 9, version: "v", network: "n", datadir: "/d" },
    [chain, { connections_in: 1, connections_out: 2 }, { size: 3, bytes: 4, loaded: true }],
    undefined,
  );
  assert.deepEqual(status, {
    running: true,
    version: "v",
    network: "regtest",
    datadir: "/d",
    ledger: "own",
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
