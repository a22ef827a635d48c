/** bitcoind as a tool made for Core's finds it: start, files, signals, stop, start again (bitcoind-interface.md). */
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
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
import {
  BITCOIND,
  freePort,
  type NodeProcess,
  type Reply,
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
    const warm: Reply[] = [];
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
    assert.match(warm[0], /…$/);
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

suite("what a start may fail of", { concurrency: 2 }, () => {
  async function fails(args: readonly string[], stderr: string | RegExp, conf?: string): Promise<string> {
    const datadir = temporaryDirectory();
    if (conf !== undefined) writeFileSync(join(datadir, "bitcoin.conf"), conf);
    await using node = await startNode({ datadir, wait: false, args });
    const end = await node.ended;
    assert.deepEqual([end.code, end.stdout], [1, ""]);
    const text = end.stderr.replaceAll(datadir, "<datadir>");
    if (typeof stderr === "string") assert.equal(text, `${stderr}\n`);
    else assert.match(text, stderr);
    return datadir;
  }

  test("options", async () => {
    const parsing = "Error: Error parsing command line arguments:";
    await fails(["-nosuch=1"], `${parsing} Invalid parameter -nosuch=1`);
    await fails(["-nodatadir"], `${parsing} Negating of -datadir is meaningless and therefore forbidden`);
    await fails(
      ["word"],
      "Error: Command line contains unexpected token 'word', see bitcoind -h for a list of options.",
    );
    await fails(["-datadir=/nowhere"], 'Error: Specified data directory "/nowhere" does not exist.');
    await fails(["-blocksdir=/nowhere"], 'Error: Specified blocks directory "/nowhere" does not exist.');
    await fails(["-signet"], /^Error: Invalid combination of -regtest, -signet/);
    await fails(["-port=0"], "Error: Invalid port specified in -port: '0'");
    await fails(["-maxmempool=1"], /^Error: -maxmempool must be at least \d+ MB\n$/);
    await fails(["-debug=nonsense"], "Error: Unsupported logging category -debug=nonsense.");
    await fails(["-uacomment=a/b"], "Error: User Agent comment (a/b) contains unsafe characters.");
    await fails(["-proxy=127.0.0.1:9050"], "Error: -proxy is not supported by this version");
  });

  test("configuration files", async () => {
    const reading = "Error: Error reading configuration file:";
    await fails([], `${reading} parse error on line 2: word`, "\nword");
    await fails(["-conf=gone"], `${reading} specified config file "<datadir>/gone" could not be opened.`);
    await fails([], `${reading} Failed to include configuration file gone`, "includeconf=gone");
    await fails(
      [],
      "Error: Config setting for -addnode only applied on regtest network when in [regtest] section.",
      "addnode=127.0.0.1:1",
    );
  });

  test("the RPC door", async () => {
    const refused = "Error: Unable to start HTTP server. See debug log for details.";
    const datadir = await fails(["-rpcauth=foo"], refused);
    assert.ok(
      readFileSync(join(datadir, "regtest", "debug.log"), "utf8").includes("Invalid -rpcauth argument."),
    );
    await fails(
      ["-rpcallowip=x"],
      /^Error: Invalid -rpcallowip subnet specification: x\. Valid values are .*\nError: Unable to start HTTP server\. See debug log for details\.\n$/s,
    );
    await fails(["-rpccookieperms=x"], refused);
  });

  test("ports that are taken", async () => {
    await using node = await startNode();
    await fails(
      [`-bind=127.0.0.1:${node.port}`],
      `Error: Unable to bind to 127.0.0.1:${node.port} on this computer. Freehold is probably already running.`,
    );
    assert.deepEqual(await node.stop(), CLEAN);
  });

  test("a directory of Core's is left as it was", async () => {
    for (const make of [
      (folder: string) => {
        mkdirSync(join(folder, "chainstate"), { recursive: true });
        writeFileSync(join(folder, "chainstate", "CURRENT"), "MANIFEST-000001\n");
      },
      (folder: string) => {
        mkdirSync(join(folder, "blocks", "index"), { recursive: true });
        writeFileSync(join(folder, "blocks", "index", "CURRENT"), "MANIFEST-000001\n");
      },
      (folder: string) => {
        mkdirSync(join(folder, "wallets", "mine"), { recursive: true });
        writeFileSync(join(folder, "wallets", "mine", "wallet.dat"), "x");
      },
    ]) {
      const datadir = temporaryDirectory();
      make(join(datadir, "regtest"));
      const before = readdirSync(datadir, { recursive: true }).sort();
      await using node = await startNode({ datadir, wait: false });
      const { code, stderr } = await node.ended;
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^Error: .* was written by another program, such as Bitcoin Core, and is left untouched\. .*-loadblock=/,
      );
      assert.deepEqual(readdirSync(datadir, { recursive: true }).sort(), before);
    }
  });

  test("an unknown section is remarked on, and no reason to fail", async () => {
    const datadir = temporaryDirectory();
    await using node = await startNode({ datadir, conf: "regtest=1\n[testnot]\nx=1\n", network: "" });
    const end = await node.stop();
    assert.deepEqual(end, {
      ...CLEAN,
      stderr: `Warning: ${join(datadir, "bitcoin.conf")}:2 Section [testnot] is not recognized.\n`,
    });
  });
});

suite("options that are seen from outside", { concurrency: 2 }, () => {
  test("help and version", async () => {
    const [help, version] = await Promise.all([
      runProgram(BITCOIND, ["-help"]),
      runProgram(BITCOIND, ["-version"]),
    ]);
    assert.deepEqual([help.code, help.stderr, version.code], [0, "", 0]);
    assert.match(help.stdout, /^Freehold daemon version v\d+\.\d+\.\d+ bitcoind\n/);
    assert.match(help.stdout, /\n {2}-dbcache=<n>\n/);
    assert.match(version.stdout, /^Freehold daemon version v\d+\.\d+\.\d+ bitcoind\n$/);
  });

  test("logins and their whitelists", async () => {
    // The password is that of share/rpcauth's example.
    const rpcauth =
      "rt:93648e835a54c573682c2eb19f882535$7681e9c5b74bdd85e78166031d2058e1069b3ed7ed967c93fc63abba06f31144";
    const password = "cA773lm788buwYe4g4WT+05pKyNruVKjQ25x3n0DQcM=";
    await using node = await startNode({
      login: "alice:secret",
      args: [
        "-rpcuser=alice",
        "-rpcpassword=secret",
        `-rpcauth=${rpcauth}`,
        "-rpcwhitelist=rt:getblockcount",
        "-rpcwhitelistdefault=0",
      ],
    });
    assert.equal(existsSync(join(node.folder, ".cookie")), false);
    const status = async (login: string, method: string) =>
      (await node.post(JSON.stringify({ method }), { login })).status;
    assert.equal(await status("alice:secret", "uptime"), 200);
    assert.equal(await status(`rt:${password}`, "getblockcount"), 200);
    assert.equal(await status(`rt:${password}`, "uptime"), 403);
    assert.equal(await status("rt:wrong", "getblockcount"), 401);
    assert.equal((await node.post("", { method: "GET" })).status, 405);
    assert.equal((await node.post("{}", { path: "/x" })).status, 404);
    assert.ok(node.debugLog.includes("[warning] ThreadRPCServer incorrect password attempt from 127.0.0.1"));
    assert.ok(!node.debugLog.includes("secret"));
    assert.deepEqual(await node.stop(), CLEAN);
  });

  test("commands are run at start, with each block, and at the end", async () => {
    const datadir = temporaryDirectory();
    const out = (name: string) => join(datadir, name);
    await using node = await startNode({
      datadir,
      args: [
        `-startupnotify=echo started > ${out("started")}`,
        `-blocknotify=echo %s >> ${out("blocks")}`,
        `-shutdownnotify=echo stopped > ${out("stopped")}`,
      ],
    });
    await until("the start was told", () => existsSync(out("started")));
    const hashes: string[] = await node.rpc("generatetoaddress", [2, ADDRESS]);
    // The first block is of today: from the second on, at the latest, the node has caught up.
    await until(
      "the blocks were told",
      () => existsSync(out("blocks")) && readFileSync(out("blocks"), "latin1").includes(hashes[1]!),
    );
    assert.deepEqual(await node.stop(), CLEAN);
    assert.equal(readFileSync(out("stopped"), "latin1"), "stopped\n");
  });

  test("logs go where they are told, and begin anew on SIGHUP", async () => {
    const datadir = temporaryDirectory();
    await using node = await startNode({
      datadir,
      args: ["-printtoconsole=1", `-debuglogfile=${join(datadir, "my.log")}`, "-pid=my.pid"],
    });
    assert.ok(existsSync(join(node.folder, "my.pid")));
    const log = join(datadir, "my.log");
    renameSync(log, `${log}.1`);
    process.kill(node.pid, "SIGHUP");
    await until("the log begins anew", () => existsSync(log));
    const { code, stdout, stderr } = await node.stop();
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /Done loading/);
    assert.match(readFileSync(log, "utf8"), /Shutdown done\n$/);
  });

  test("without a server it still runs and stops", async () => {
    const datadir = temporaryDirectory();
    const node = await startNode({
      datadir,
      wait: false,
      args: ["-server=0", "-nodebuglogfile", "-printtoconsole=1"],
    });
    await until("it runs", () => existsSync(join(node.folder, "peers.dat")));
    assert.equal(existsSync(join(node.folder, ".cookie")), false);
    assert.equal(existsSync(join(node.folder, "debug.log")), false);
    const { code, stderr } = await node.kill("SIGTERM");
    assert.deepEqual([code, stderr], [0, ""]);
  });

  test("it stops by itself at a height", async () => {
    await using node = await startNode({ args: ["-stopatheight=3"] });
    await node.rpc("generatetoaddress", [5, ADDRESS]).catch(() => {});
    assert.deepEqual(await node.ended, CLEAN);
  });
});

async function answersOn(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  const isOpen = await Promise.race([
    new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    }),
    sleep(1000, false),
  ]);
  socket.destroy();
  return isOpen;
}
