/** What a daemon refuses to start with, and what its options do (init.cpp, bitcoind-interface.md). */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, test } from "node:test";
import { BITCOIND, runProgram, startNode, temporaryDirectory, until } from "./node-process.ts";

const ADDRESS = "mjTkW3DjgyZck4KbiRusZsqTgaYTxdSz6z";
/** A clean end: nothing on standard error, nothing printed. */
const CLEAN = { code: 0, signal: null, stdout: "", stderr: "" };

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
    const datadir = await fails(
      [`-rpcport=${node.rpcPort}`],
      "Error: Unable to start HTTP server. See debug log for details.",
    );
    assert.equal(existsSync(join(datadir, "regtest", ".cookie")), false, "a key to no door is taken away");
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

  test("with a proxy it reaches this machine alone, and says so", async () => {
    await using node = await startNode({ args: ["-proxy=127.0.0.1:9"] });
    await using peer = await startNode();
    assert.match((await node.rpc("getnetworkinfo")).warnings.join(), /^-proxy is set, but/);
    await node.rpc("addnode", [`127.0.0.1:${peer.port}`, "onetry"]);
    await until("they are connected", async () => (await peer.rpc("getconnectioncount")) === 1);
    const { code, stderr } = await node.stop();
    assert.equal(code, 0);
    assert.match(stderr, /^Warning: -proxy is set, but this version cannot connect through a proxy: .*\n$/);
    assert.deepEqual(await peer.stop(), CLEAN);
  });

  test("it stops by itself at a height", async () => {
    await using node = await startNode({ args: ["-stopatheight=3"] });
    await node.rpc("generatetoaddress", [5, ADDRESS]).catch(() => {});
    assert.deepEqual(await node.ended, CLEAN);
  });
});
