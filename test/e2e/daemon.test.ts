/** bitcoind as a tool made for Core's finds it: start, files, signals, stop, start again (bitcoind-interface.md). */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../demo/free-port.ts";
import {
  BITCOIND,
  type NodeProcess,
  runProgram,
  sendHttp,
  startNode,
  temporaryDirectory,
  until,
} from "./node-process.ts";
import { RpcWorld } from "./rpc-world.ts";

const ADDRESS = "mjTkW3DjgyZck4KbiRusZsqTgaYTxdSz6z";
/** A clean end: nothing on standard error, nothing printed. */
const CLEAN = { code: 0, signal: null, stdout: "", stderr: "" };

/** What neither answers nor refuses in so many ms is behind a firewall. */
const PATIENCE = 10_000;

function foldersOf(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

suite("a life of a node", { concurrency: 2 }, () => {
  test("files while it runs, and after it stopped", async () => {
    const datadir = temporaryDirectory();
    await using node = await startNode({ datadir });
    const folder = join(datadir, "regtest");
    assert.match(readFileSync(join(folder, ".cookie"), "latin1"), /^__cookie__:[0-9a-f]{64}$/);
    assert.equal(statSync(join(folder, ".cookie")).mode & 0o777, 0o600);
    assert.equal(readFileSync(join(folder, "bitcoind.pid"), "latin1"), `${node.pid}\n`);
    assert.ok(existsSync(join(folder, "debug.log")));
    assert.equal(
      JSON.parse(readFileSync(join(folder, "settings.json"), "utf8"))._warning_ !== undefined,
      true,
    );
    assert.deepEqual(await node.stop(), CLEAN);
    assert.deepEqual(foldersOf(folder), ["blocks", "chainstate", "indexes", "wallets"]);
    assert.deepEqual(readdirSync(join(folder, "wallets")), []);
    for (const name of [".cookie", "bitcoind.pid", ".lock"]) {
      assert.equal(existsSync(join(folder, name)), false, name);
    }
    for (const name of ["peers.dat", "mempool.dat", "debug.log"]) {
      assert.equal(existsSync(join(folder, name)), true, name);
    }
  });

  test("signals reach it, and it starts again at once on the same ports", async () => {
    const datadir = temporaryDirectory();
    const [port, rpcPort] = [await freePort(), await freePort()];
    const again = () => startNode({ datadir, port, rpcPort });
    const first = await again();
    await first.rpc("generatetoaddress", [3, ADDRESS]);
    assert.deepEqual(await first.kill("SIGTERM"), CLEAN);
    const second = await again();
    assert.equal(await second.rpc("getblockcount"), 3);
    assert.deepEqual(await second.kill("SIGINT"), CLEAN);
    const third = await again();
    await third.rpc("generatetoaddress", [2, ADDRESS]);
    // The direct child is the node itself, no shell in between.
    const killed = await third.kill("SIGKILL");
    assert.deepEqual([killed.code, killed.signal], [null, "SIGKILL"]);
    const fourth = await again();
    assert.ok((await fourth.rpc("getblockcount")) >= 3);
    assert.deepEqual(await fourth.stop(), CLEAN);
  });

  test("a second one on the same directory is refused", async () => {
    const datadir = temporaryDirectory();
    await using node = await startNode({ datadir });
    await using second = await startNode({ datadir, wait: false });
    assert.deepEqual(await second.ended, {
      ...CLEAN,
      code: 1,
      stderr: `Error: Cannot obtain a lock on directory ${join(datadir, "regtest")}. Freehold is probably already running.\n`,
    });
    assert.equal(await node.rpc("getblockcount"), 0);
    assert.deepEqual(await node.stop(), CLEAN);
  });

  test("chain, mempool and coins are the same after a restart", async () => {
    const world = await RpcWorld.build();
    const { node } = world;
    const txid = await node.rpc("sendrawtransaction", [await world.signed()]);
    await node.rpc("prioritisetransaction", [txid, 0, 1234]);
    const before = await node.rpc("gettxoutsetinfo");
    const copy = temporaryDirectory();
    await world.peer.stop();
    const datadir = node.keep();
    assert.deepEqual(await node.stop(), CLEAN);
    await using restarted = await startNode({ datadir });
    assert.deepEqual(await restarted.rpc("gettxoutsetinfo"), {
      ...before,
      disk_size: (await restarted.rpc("gettxoutsetinfo")).disk_size,
    });
    const entry = await restarted.rpc("getmempoolentry", [txid]);
    assert.equal(entry.fees.modified, 0.00011234);
    assert.deepEqual(await restarted.stop(), CLEAN);

    // As Core's test framework makes its cache: only the three folders are kept, and copied elsewhere.
    const folder = join(datadir, "regtest");
    rmdirSync(join(folder, "wallets"));
    for (const name of readdirSync(folder)) {
      if (!["blocks", "chainstate", "indexes"].includes(name)) rmSync(join(folder, name));
    }
    cpSync(folder, join(copy, "regtest"), { recursive: true });
    await using other = await startNode({ datadir: copy });
    assert.equal((await other.rpc("gettxoutsetinfo")).hash_serialized_3, before.hash_serialized_3);
    assert.deepEqual(await other.stop(), CLEAN);
  });

  test("the options of Core's test framework", async () => {
    const [port, rpcPort, torPort] = [await freePort(), await freePort(), await freePort()];
    const datadir = temporaryDirectory();
    writeFileSync(
      join(datadir, "bitcoin.conf"),
      [
        "regtest=1",
        "[regtest]",
        `port=${port}`,
        `rpcport=${rpcPort}`,
        "rpcservertimeout=99000",
        "rpcdoccheck=1",
        "rpcthreads=2",
        "fallbackfee=0.0002",
        "server=1",
        "keypool=1",
        "discover=0",
        "dnsseed=0",
        "fixedseeds=0",
        "listenonion=0",
        "peertimeout=999999999",
        "printtoconsole=0",
        "natpmp=0",
        "shrinkdebugfile=0",
        "unsafesqlitesync=1",
        "connect=0",
        "maxconnections=94",
        "par=2",
        "prevoutfetchthreads=1",
      ].join("\n"),
    );
    const args = [
      `-datadir=${datadir}`,
      "-logtimemicros",
      "-debug",
      "-debugexclude=leveldb",
      "-debugexclude=rand",
      "-uacomment=testnode0",
      "-logthreadnames",
      "-logsourcelocations",
      "-loglevel=trace",
      "-nologratelimit",
      "-v2transport=0",
      "-disablewallet",
      `-bind=0.0.0.0:${port}`,
      `-bind=127.0.0.1:${torPort}=onion`,
    ];
    await using node = await startNode({ datadir, port, rpcPort, network: "", only: args });
    assert.match(
      (await node.rpc("getnetworkinfo")).subversion,
      /^\/Satoshi:29\.0\.0\/Freehold:.*\(testnode0\)\/$/,
    );
    assert.match(node.debugLog.split("\n", 1)[0]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z /);
    assert.ok(await answersOn("127.0.0.1", port));
    assert.ok(await answersOn("127.0.0.1", torPort));
    assert.deepEqual(await node.stop(), CLEAN);
  });

  test("told nothing, it listens on loopback alone", async () => {
    const [port, rpcPort] = [await freePort(), await freePort()];
    const datadir = temporaryDirectory();
    await using node = await startNode({
      datadir,
      port,
      rpcPort,
      network: "",
      only: [
        `-datadir=${datadir}`,
        "-regtest",
        `-port=${port}`,
        `-rpcport=${rpcPort}`,
        "-dnsseed=0",
        "-noprinttoconsole",
      ],
    });
    assert.ok(await answersOn("127.0.0.1", port));
    const others = Object.values(networkInterfaces())
      .flat()
      .filter((address) => address !== undefined && !address.internal && address.family === "IPv4");
    for (const address of others) {
      assert.equal(await answersOn(address!.address, port), false);
      assert.equal(await answersOn(address!.address, rpcPort), false);
    }
    assert.deepEqual(await node.stop(), CLEAN);
  });

  test("calls that come while it starts are answered with -28", async () => {
    const datadir = temporaryDirectory();
    const first = await startNode({ datadir });
    await first.rpc("generatetoaddress", [200, ADDRESS]);
    assert.deepEqual(await first.stop(), CLEAN);
    await using node = await startNode({ datadir, wait: false, args: ["-checkblocks=0", "-checklevel=4"] });
    const warm: string[] = [];
    await until(
      "it answers",
      async () => {
        let reply: Awaited<ReturnType<NodeProcess["post"]>>;
        try {
          reply = await node.post('{"method":"getblockcount","id":1}');
        } catch {
          return false;
        }
        const { result, error } = JSON.parse(reply.text || "{}");
        if (reply.status === 500) {
          assert.equal(error.code, -28);
          warm.push(error.message);
        }
        return result === 200;
      },
      60_000,
      2,
    );
    assert.ok(warm.length > 0);
    // The first of them before there is anything to tell of, as with Core.
    for (const text of warm) assert.match(text, /^RPC server started$|…$/);
    assert.deepEqual(await node.stop(), CLEAN);
  });

  test("a signal while it starts ends it in order", async () => {
    const datadir = temporaryDirectory();
    const node = await startNode({ datadir, wait: false });
    await until("it has its lock", () => existsSync(join(datadir, "regtest", ".lock")), 60_000, 1);
    assert.deepEqual(await node.kill("SIGTERM"), CLEAN);
    await using again = await startNode({ datadir });
    assert.deepEqual(await again.stop(), CLEAN);
  });
});

suite("in the background", () => {
  const start = async (...more: string[]) => {
    const [port, rpcPort] = [await freePort(), await freePort()];
    const datadir = temporaryDirectory();
    const args = [
      `-datadir=${datadir}`,
      "-regtest",
      `-bind=127.0.0.1:${port}`,
      `-rpcport=${rpcPort}`,
      "-connect=0",
      "-dnsseed=0",
    ];
    const ended = await runProgram(BITCOIND, [...args, ...more]);
    const ask = async (method: string) => {
      const login = readFileSync(join(datadir, "regtest", ".cookie"), "latin1");
      const { text } = await sendHttp(rpcPort, { login, body: JSON.stringify({ method }) });
      return JSON.parse(text);
    };
    const pid = () => Number(readFileSync(join(datadir, "regtest", "bitcoind.pid"), "latin1"));
    return { ended, ask, pid };
  };

  const isGone = (pid: number) => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  };

  test("-daemon returns at once", async () => {
    const { ended, ask, pid } = await start("-daemon");
    assert.deepEqual(ended, { ...CLEAN, stdout: "Freehold starting\n" });
    await until("it answers", () =>
      ask("getblockcount")
        .then(({ result }) => result === 0)
        .catch(() => false),
    );
    const id = pid();
    assert.equal((await ask("stop")).result, "Freehold stopping");
    await until("it is gone", () => isGone(id));
  });

  test("-daemonwait returns when it is ready", async () => {
    const { ended, ask, pid } = await start("-daemonwait");
    assert.deepEqual(ended, { ...CLEAN, stdout: "Freehold starting\n" });
    assert.equal((await ask("getblockcount")).result, 0);
    const id = pid();
    await ask("stop");
    await until("it is gone", () => isGone(id));
  });

  test("-daemonwait tells of a failure", async () => {
    const { ended } = await start("-daemonwait", "-whitelist=nonsense");
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, /^Error: Invalid netmask specified in -whitelist: 'nonsense'\n$/);
  });
});

async function answersOn(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  const isOpen = await Promise.race([
    new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    }),
    sleep(PATIENCE, false),
  ]);
  socket.destroy();
  return isOpen;
}
