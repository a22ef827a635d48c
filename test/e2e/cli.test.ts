/** bitcoin-cli as scripts and Core Lightning use it: options, input, output, exit codes (bitcoin-cli.cpp). */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { freePort } from "../../demo/free-port.ts";
import { BITCOIN_CLI, type NodeProcess, runProgram, startNode, temporaryDirectory } from "./node-process.ts";

const ADDRESS = "mjTkW3DjgyZck4KbiRusZsqTgaYTxdSz6z";

suite("bitcoin-cli", () => {
  let node: NodeProcess;

  before(async () => {
    node = await startNode({
      login: "alice:secret",
      conf: "regtest=1\n[regtest]\nrpcuser=alice\nrpcpassword=secret\nuacomment=cli\n",
    });
  });

  after(() => node?.[Symbol.asyncDispose]());

  /** Runs it with these words alone. */
  const run = (...words: string[]) => runProgram(BITCOIN_CLI, words);
  /** Runs it against the node. */
  const cli = (...words: string[]) => node.cli(words);

  const ended = (code: number, stdout: string, stderr: string) => ({ code, signal: null, stdout, stderr });

  test("strings come raw, numbers and objects as JSON, null as nothing", async () => {
    const [count, hash, info, nothing, list] = await Promise.all([
      cli("getblockcount"),
      cli("getblockhash", "0"),
      cli("getblockheader", "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"),
      cli("setmocktime", "0"),
      cli("getrawmempool"),
    ]);
    assert.deepEqual(count, ended(0, "0\n", ""));
    assert.deepEqual(
      hash,
      ended(0, "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206\n", ""),
    );
    assert.match(info.stdout, /^\{\n {2}"hash": "0f9188/);
    assert.match(info.stdout, /"difficulty": 4\.656542373906925e-10,/);
    assert.deepEqual(nothing, ended(0, "", ""));
    assert.deepEqual(list, ended(0, "[\n]\n", ""));
  });

  test("an RPC error goes to standard error, its code is the exit code", async () => {
    const [height, method] = await Promise.all([cli("getblockhash", "5"), cli("nosuchmethod")]);
    assert.deepEqual(height, ended(8, "", "error code: -8\nerror message:\nBlock height out of range\n"));
    assert.deepEqual(
      method,
      ended(32_601 & 0xff, "", "error code: -32601\nerror message:\nMethod not found\n"),
    );
  });

  test("arguments by name, and what cannot be read as JSON", async () => {
    const [named, unnamed, wrong] = await Promise.all([
      cli("-named", "echo", "arg1=b", "arg0=a"),
      cli("-named", "-nonamed", "echo", "arg0=a"),
      cli("getblockhash", "x"),
    ]);
    assert.deepEqual(named, ended(0, '[\n  "a",\n  "b"\n]\n', ""));
    const twice = await cli("createrawtransaction", "[]", '{"data":"aa","data":"bb"}');
    assert.match(twice.stderr, /Invalid parameter, duplicate key: data/);
    assert.deepEqual(unnamed, ended(0, '[\n  "arg0=a"\n]\n', ""));
    assert.deepEqual(wrong, ended(1, "", "error: Error parsing JSON: x\n"));
  });

  test("further arguments and the password from standard input", async () => {
    const [args, password, both, none] = await Promise.all([
      node.cli(["-stdin", "echo", "a"], { input: "b\nc d\n" }),
      node.cli(["-rpcuser=alice", "-stdinrpcpass", "getblockcount"], { input: "secret\n" }),
      node.cli(["-rpcuser=alice", "-stdinrpcpass", "-stdin", "echo"], { input: "secret\nx\ny" }),
      node.cli(["-stdinrpcpass", "getblockcount"], { input: "" }),
    ]);
    assert.deepEqual(args, ended(0, '[\n  "a",\n  "b",\n  "c d"\n]\n', ""));
    assert.deepEqual(password, ended(0, "0\n", ""));
    assert.deepEqual(both, ended(0, '[\n  "x",\n  "y"\n]\n', ""));
    assert.deepEqual(
      none,
      ended(1, "", "error: -stdinrpcpass specified but failed to read from standard input\n"),
    );
    const wallet = await node.cli(["-stdinwalletpassphrase", "getblockcount"], { input: "x\n" });
    assert.equal(
      wallet.stderr,
      "error: -stdinwalletpassphrase is only applicable for walletpassphrase(change)\n",
    );
  });

  test("a wrong password, and a node without its cookie", async () => {
    const config = join(node.datadir, "bitcoin.conf");
    const wrong = await cli("-rpcpassword=wrong", "getblockcount");
    assert.deepEqual(
      wrong,
      ended(
        1,
        "",
        `error: Authorization failed: Incorrect rpcuser or rpcpassword were specified. Configuration file: (${config})\n`,
      ),
    );
    const empty = temporaryDirectory();
    const port = `-rpcport=${node.rpcPort}`;
    const [missing, disabled] = await Promise.all([
      run(`-datadir=${empty}`, "-regtest", port, "getblockcount"),
      run(`-datadir=${empty}`, "-regtest", port, "-norpccookiefile", "getblockcount"),
    ]);
    assert.match(
      missing.stderr,
      /^error: Authorization failed: Failed to read cookie file and no rpcpassword was specified\. Configuration file: /,
    );
    assert.match(
      disabled.stderr,
      /Cookie file was disabled via -norpccookiefile and no rpcpassword was specified\./,
    );
    mkdirSync(join(empty, "regtest"));
    writeFileSync(join(empty, "regtest", ".cookie"), "__cookie__:00");
    const stale = await run(`-datadir=${empty}`, "-regtest", port, "getblockcount");
    assert.match(stale.stderr, /Cookie file credentials were invalid and no rpcpassword was specified\./);
    assert.deepEqual([missing.code, disabled.code, stale.code], [1, 1, 1]);
  });

  test("no server: exit 1, at once or when the wait is over", async () => {
    const empty = temporaryDirectory();
    const port = await freePort();
    const words = [`-datadir=${empty}`, "-regtest", `-rpcport=${port}`];
    const begin = performance.now();
    const [at, waited] = await Promise.all([
      run(...words, "getblockcount"),
      run(...words, "-rpcwait", "-rpcwaittimeout=1", "getnetworkinfo"),
    ]);
    const text = `error: timeout on transient error: Could not connect to the server 127.0.0.1:${port}\n\nMake sure the bitcoind server is running and that you are connecting to the correct RPC port.\nUse "bitcoin-cli -help" for more info.\n`;
    assert.deepEqual(at, ended(1, "", text));
    assert.deepEqual(waited, ended(1, "", text));
    assert.ok(performance.now() - begin >= 1000);
  });

  test("-rpcwait waits for a node that starts", async () => {
    const port = await freePort();
    const datadir = temporaryDirectory();
    const waiting = run(
      `-datadir=${datadir}`,
      "-regtest",
      `-rpcport=${port}`,
      "-rpcwait",
      "-rpcwaittimeout=30",
      "getblockcount",
    );
    await using late = await startNode({ datadir, rpcPort: port });
    assert.deepEqual(await waiting, ended(0, "0\n", ""));
    assert.equal((await late.stop()).code, 0);
  });

  test("-rpcwait takes the cookie of a node that started while it asked, and no other", async (t) => {
    const datadir = temporaryDirectory();
    const cookie = join(datadir, ".cookie");
    for (const old of [undefined, "__cookie__:old"]) {
      if (old !== undefined) writeFileSync(cookie, old);
      const logins: string[] = [];
      const server = createServer((request, response) => {
        const [, code = ""] = (request.headers.authorization ?? "").split(" ");
        logins.push(Buffer.from(code, "base64").toString());
        response.statusCode = logins.at(-1) === "__cookie__:new" ? 200 : 401;
        if (logins.length === 1) writeFileSync(cookie, "__cookie__:new");
        response.end(response.statusCode === 200 ? '{"result":7,"error":null,"id":1}\n' : "");
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      t.after(() => server.close());
      const { port } = server.address() as { port: number };
      const words = [`-datadir=${datadir}`, `-rpcport=${port}`, "getblockcount"];
      assert.deepEqual(await run("-rpcwait", ...words), ended(0, "7\n", ""));
      assert.deepEqual(logins, [old ?? "", "__cookie__:new"]);
      writeFileSync(cookie, "__cookie__:wrong");
      assert.equal((await run("-rpcwait", ...words)).code, 1);
      assert.equal(logins.length, 3, "a cookie that stays is not tried again");
      rmSync(cookie);
    }
  });

  test("a server that warms up, hangs up, or is none", async (t) => {
    const replies: Record<string, (server: Server) => void> = {
      warm: (server) =>
        server.on("request", (_request, response) => {
          response.statusCode = 500;
          response.end('{"result":null,"error":{"code":-28,"message":"Loading…"},"id":1}\n');
        }),
      gone: (server) => server.on("request", (request) => request.socket.destroy()),
      odd: (server) => server.on("request", (_request, response) => response.end("<html>")),
      busy: (server) =>
        server.on("request", (_request, response) => {
          response.statusCode = 503;
          response.end("Work queue depth exceeded");
        }),
      forbidden: (server) =>
        server.on("request", (_request, response) => {
          response.statusCode = 403;
          response.end();
        }),
      empty: (server) => server.on("request", (_request, response) => response.end()),
    };
    const expected: Record<string, [number, RegExp]> = {
      warm: [28, /^error code: -28\nerror message:\nLoading…\n$/],
      gone: [
        1,
        /^error: timeout on transient error: Could not connect to the server .* \(error code 1 - "EOF reached"\)\n/,
      ],
      odd: [1, /^error: couldn't parse reply from server\n$/],
      busy: [1, /^error: Server response: Work queue depth exceeded\n$/],
      forbidden: [1, /^error: server returned HTTP error 403\n$/],
      empty: [1, /^error: no response from server\n$/],
    };
    await Promise.all(
      Object.entries(replies).map(async ([name, behave]) => {
        const server = createServer();
        behave(server);
        server.listen(0, "127.0.0.1");
        await once(server, "listening");
        t.after(() => server.close());
        const address = server.address() as { port: number };
        const { code, stderr } = await run(
          `-datadir=${node.datadir}`,
          "-regtest",
          `-rpcport=${address.port}`,
          "-rpcpassword=x",
          "uptime",
        );
        assert.deepEqual([name, code], [name, expected[name]?.[0]]);
        assert.match(stderr, expected[name]![1], name);
      }),
    );
  });

  test("a slow server is given up after -rpcclienttimeout", async (t) => {
    const server = createServer(() => {});
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.closeAllConnections());
    t.after(() => server.close());
    const { port } = server.address() as { port: number };
    const { code, stderr } = await run(
      `-datadir=${node.datadir}`,
      "-regtest",
      `-rpcport=${port}`,
      "-rpcclienttimeout=1",
      "uptime",
    );
    assert.equal(code, 1);
    assert.match(stderr, /\(error code 0 - "timeout reached"\)/);
  });

  test("options that make no sense", async () => {
    const folder = node.datadir;
    const gone = join(folder, "gone");
    const outcomes = await Promise.all([
      run(),
      run("-nosuch", "help"),
      run(`-datadir=${gone}`, "help"),
      run(`-datadir=${folder}`, "-conf=gone.conf", "help"),
      run(`-datadir=${folder}`, "-testnet", "help"),
      run(`-datadir=${folder}`, "-rpcport=99999", "help"),
      run(`-datadir=${folder}`, "-rpcconnect=127.0.0.1:x", "help"),
      run(`-datadir=${folder}`),
      run("-rpcid"),
    ]);
    const [none, unknown, directory, conf, chains, port, host, nothing, id] = outcomes.map(
      ({ stderr }) => stderr,
    );
    assert.ok(outcomes.every(({ code }) => code === 1));
    assert.equal(none, "Error: too few parameters\n");
    assert.match(outcomes[0]!.stdout, /Usage: {2}bitcoin-cli \[options\] <command> \[params\]/);
    assert.equal(unknown, "Error parsing command line arguments: Invalid parameter -nosuch\n");
    assert.equal(directory, `Error: Specified data directory "${gone}" does not exist.\n`);
    assert.equal(
      conf,
      `Error reading configuration file: specified config file "${join(folder, "gone.conf")}" could not be opened.\n`,
    );
    assert.match(chains!, /^Error: Invalid combination of -regtest/);
    assert.equal(port, "error: Invalid port provided in -rpcport: 99999\n");
    assert.equal(host, "error: Invalid port provided in -rpcconnect: 127.0.0.1:x\n");
    assert.equal(nothing, "error: too few parameters (need at least command)\n");
    assert.equal(
      id,
      "Error parsing command line arguments: Can not set -rpcid with no value. Please specify value with -rpcid=value.\n",
    );
  });

  test("help and version", async () => {
    const [help, version, remote] = await Promise.all([
      run("-help"),
      run("-version"),
      cli("help", "getblockcount"),
    ]);
    assert.match(help.stdout, /^Freehold RPC client version v\d+\.\d+\.\d+\n/);
    assert.match(help.stdout, /-rpcwaittimeout=<n>/);
    assert.match(version.stdout, /^Freehold RPC client version v\d+\.\d+\.\d+\n$/);
    assert.match(remote.stdout, /^getblockcount\n\nReturns the height/);
    assert.deepEqual([help.code, version.code, remote.code], [0, 0, 0]);
  });

  test("host and port may stand in one option, and -rpcport wins", async () => {
    const [one, both] = await Promise.all([
      run(`-datadir=${node.datadir}`, `-rpcconnect=127.0.0.1:${node.rpcPort}`, "getblockcount"),
      run(`-datadir=${node.datadir}`, "-rpcconnect=127.0.0.1:1", `-rpcport=${node.rpcPort}`, "getblockcount"),
    ]);
    assert.deepEqual(one, ended(0, "0\n", ""));
    assert.deepEqual(
      both,
      ended(
        0,
        "0\n",
        `Warning: Port specified in both -rpcconnect and -rpcport. Using -rpcport ${node.rpcPort}\n`,
      ),
    );
  });

  test("-getinfo is a summary for people", async () => {
    await node.rpc("generatetoaddress", [1, ADDRESS]);
    const [plain, coloured, wrong, never] = await Promise.all([
      cli("-getinfo"),
      cli("-color=always", "-getinfo"),
      cli("-getinfo", "x"),
      cli("-color=purple", "-getinfo"),
    ]);
    assert.match(
      plain.stdout,
      /^Chain: regtest\nBlocks: 1\nHeaders: 1\nVerification progress: 100\.0000%\nDifficulty: 4\.656542373906925e-10\n\nNetwork: in 0, out 0, total 0\nVersion: 290000\nTime offset \(s\): 0\nProxies: n\/a\nMin tx relay fee rate \(BTC\/kvB\): 0\.00000100\n\nWarnings: \(none\)\n$/,
    );
    assert.ok(coloured.stdout.startsWith("\u001b[34mChain: regtest\u001b[0m\n"));
    assert.deepEqual(wrong, ended(1, "", "error: -getinfo takes no arguments\n"));
    assert.equal(
      never.stderr,
      "error: Invalid value for -color option. Valid values: always, auto, never.\n",
    );
  });

  test("-netinfo shows the connections", async () => {
    await using peer = await startNode();
    await peer.rpc("addnode", [`127.0.0.1:${node.port}`, "onetry"]);
    while ((await node.rpc("getpeerinfo"))[0]?.minping === undefined) await node.rpc("uptime");
    const [counts, all, help, level, out, zero] = await Promise.all([
      cli("-netinfo"),
      cli("-netinfo", "4"),
      cli("-netinfo", "help"),
      cli("-netinfo", "x"),
      cli("-netinfo", "1", "x"),
      cli("-netinfo", "0", "o"),
    ]);
    assert.match(
      counts.stdout,
      /^Freehold client regtest - server 70016\/Satoshi:29\.0\.0\/Freehold:.*\(cli\)\/\n\n/,
    );
    assert.match(
      counts.stdout,
      / {9}ipv4 {4}ipv6 {5}npr {3}total {3}block\nin {10}0 {7}0 {7}1 {7}1\nout {9}0 {7}0 {7}0 {7}0 {7}0\ntotal {7}0 {7}0 {7}1 {7}1\n\nLocal services: network, witness, network limited\n\nLocal addresses: n\/a\n/,
    );
    assert.match(
      all.stdout,
      /<-> {3}type {3}net {3}serv {2}v {2}mping {3}ping send recv {2}txn {2}blk {2}hb addrp addrl {2}age id address/,
    );
    assert.match(
      all.stdout,
      /\n in {10}npr {4}nwl {2}1 .* 127\.0\.0\.1:\d+ +70016\/Satoshi:29\.0\.0\/Freehold:/,
    );
    assert.match(help.stdout, /^-netinfo \(level \[outonly\]\) \| help\n/);
    assert.match(
      level.stderr,
      /^error: invalid -netinfo level argument: x\nFor more information, run: bitcoin-cli -netinfo help\n$/,
    );
    assert.match(out.stderr, /^error: invalid -netinfo outonly argument: x\n/);
    assert.match(zero.stderr, /only valid for a level greater than 0/);
    assert.equal((await peer.stop()).code, 0);
  });

  test("-generate tells what the node lacks, -addrinfo which addresses it knows; only one of them at once", async () => {
    const [generate, addresses, both] = await Promise.all([
      cli("-generate", "1"),
      cli("-addrinfo"),
      cli("-getinfo", "-netinfo"),
    ]);
    assert.deepEqual([generate.code, generate.stdout], [18, ""]);
    assert.match(generate.stderr, /^error code: -18\nerror message:\nNo wallet is loaded\./);
    assert.deepEqual([addresses.code, addresses.stderr], [0, ""]);
    assert.deepEqual(JSON.parse(addresses.stdout), {
      addresses_known: { ipv4: 0, ipv6: 0, onion: 0, i2p: 0, cjdns: 0, total: 0 },
    });
    assert.deepEqual(both, ended(1, "", "error: Only one of -getinfo, -netinfo may be specified.\n"));
  });

  test("a wallet is named in the path", async (t) => {
    const paths: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      paths.push(request.url);
      response.end('{"result":null,"error":{"code":-19,"message":"Wallet file not specified."},"id":1}\n');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const { port } = server.address() as { port: number };
    const words = [`-datadir=${node.datadir}`, `-rpcport=${port}`, "-rpcpassword=x"];
    const { code, stderr } = await run(...words, "-rpcwallet=my wallet", "getbalance");
    assert.deepEqual(paths, ["/wallet/my%20wallet"]);
    assert.equal(code, 19);
    assert.match(
      stderr,
      /Wallet file not specified\. Or for the CLI, specify the "-rpcwallet=<walletname>" option/,
    );
  });
});

test("bitcoin-cli reads the configuration of the data directory", async () => {
  const datadir = temporaryDirectory();
  const rpcPort = await freePort();
  writeFileSync(
    join(datadir, "bitcoin.conf"),
    `regtest=1\nunknowntocli=1\n[regtest]\nrpcport=${rpcPort}\nrpccookiefile=my.cookie\n`,
  );
  await using node = await startNode({ datadir, rpcPort, network: "", wait: false });
  const words = [`-datadir=${datadir}`, "-rpcwait", "-rpcwaittimeout=30"];
  assert.equal((await runProgram(BITCOIN_CLI, [...words, "getblockcount"])).stdout, "0\n");
  assert.equal((await runProgram(BITCOIN_CLI, [...words, "stop"])).stdout, "Freehold stopping\n");
  assert.equal((await node.ended).code, 0);
  rmSync(datadir, { recursive: true });
});
