/** `freehold start`, `status` and `stop`, as people and scripts use them. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { freePort } from "../../demo/free-port.ts";
import { FREEHOLD, runProgram, temporaryDirectory } from "./node-process.ts";

/** A place for a node that nobody else has. */
async function makePlace(): Promise<{
  datadir: string;
  run: (...words: string[]) => ReturnType<typeof runProgram>;
  /** Without the options that the node was started with. */
  ask: (...words: string[]) => ReturnType<typeof runProgram>;
}> {
  const datadir = join(temporaryDirectory(), "data");
  const [port, rpcPort] = [await freePort(), await freePort()];
  const place = ["--datadir", datadir, "--network", "regtest"];
  const daemon = [
    `-port=${port}`,
    `-rpcport=${rpcPort}`,
    "-connect=0",
    "-listen=0",
    "-dnsseed=0",
    "-apiport=0",
  ];
  return {
    datadir,
    run: (...words) => runProgram(FREEHOLD, [...words, ...place, ...daemon]),
    ask: (...words) => runProgram(FREEHOLD, [...words, ...place]),
  };
}

test("a node is started, shown and stopped", async () => {
  const { datadir, run, ask } = await makePlace();
  const none = await run("status");
  const nobody = (folder: string) => `No node is running in ${folder}: \`freehold start\` starts one.`;
  assert.deepEqual(none, { code: 3, signal: null, stdout: "", stderr: `${nobody(datadir)}\n` });
  assert.equal(existsSync(datadir), false);

  const started = await run("start");
  assert.deepEqual([started.code, started.stderr], [0, ""]);
  assert.match(
    started.stdout,
    /^Started\.\n ✓ data: .* free\n ✓ ports: RPC 127\.0\.0\.1:\d+ · dashboard 127\.0\.0\.1:\d+\n ○ not sharing: there is no wallet freehold yet: `freehold wallet new` makes it\n {3}Open http:\/\/127\.0\.0\.1:\d+\/#k=[\w-]{43}\n\nFreehold \d+\.\d+\.\d+ on regtest, running for \d+ s\n\n {2}Height {5}0 of 0 headers\n/,
  );
  assert.match(started.stdout, new RegExp(`\n {2}Data {7}${datadir}\n {2}Dashboard {2}http`));
  assert.ok(existsSync(join(datadir, "regtest", "chainstate")));

  // The folder alone finds the node, whatever ports it was given.
  const again = await ask("start", "--json");
  assert.deepEqual([again.code, again.stderr], [0, ""]);
  assert.equal(JSON.parse(again.stdout).started, false);

  const [text, json] = await Promise.all([ask("status"), run("status", "--json")]);
  assert.match(text.stdout, /\n {2}Progress {3}░{24} {2}0\.00 % {2}catching up\n/);
  assert.match(text.stdout, /\n {2}Peers {6}0 \(0 out, 0 in\)\n {2}Mempool {4}0 transactions, 0 bytes\n/);
  // Not a terminal: no colours.
  assert.equal(text.stdout.includes("\u001b"), false);
  const status = JSON.parse(json.stdout);
  assert.deepEqual(
    [status.running, status.network, status.height, status.headers, status.catchingUp, status.datadir],
    [true, "regtest", 0, 0, true, datadir],
  );
  assert.deepEqual(status.peers, { inbound: 0, outbound: 0 });
  assert.equal(status.mempool.loaded, true);

  const stopped = await ask("stop", "--json");
  assert.deepEqual([stopped.code, JSON.parse(stopped.stdout)], [0, { running: false, stopped: true }]);
  const after = await run("stop", "--json");
  assert.equal(after.code, 3);
  assert.deepEqual(JSON.parse(after.stdout), {
    running: false,
    starting: false,
    message: nobody(join(datadir, "regtest")),
  });
});

test("a node that was killed is not running, and starts again", async () => {
  const { datadir, run, ask } = await makePlace();
  assert.equal((await run("start")).code, 0);
  const folder = join(datadir, "regtest");
  const pid = Number(readFileSync(join(folder, "bitcoind.pid"), "utf8"));
  process.kill(pid, "SIGKILL");
  for (let gone = false; !gone; ) {
    const [status, balance] = await Promise.all([ask("status"), ask("wallet", "balance")]);
    gone = status.code === 3 && balance.code === 3;
    if (!gone) continue;
    const text = `No node is running in ${folder}: \`freehold start\` starts one.\n`;
    assert.deepEqual([status.stderr, balance.stderr], [text, text]);
  }
  assert.equal((await run("start")).code, 0);
  assert.equal((await ask("stop")).code, 0);
});

test("a data directory that cannot be made is told of, and never asked for in vain", async () => {
  const [asked, started] = await Promise.all([
    runProgram(FREEHOLD, ["status", "--datadir=/proc/freehold"]),
    runProgram(FREEHOLD, ["start", "--datadir=/proc/freehold", "--network=regtest"]),
  ]);
  assert.deepEqual([asked.code, started.code], [3, 1]);
  assert.match(
    started.stderr,
    /^Error: the data directory \/proc\/freehold cannot be made: no such file or folder$/m,
  );
  const file = join(temporaryDirectory(), "file");
  writeFileSync(file, "");
  const [status, start] = await Promise.all([
    runProgram(FREEHOLD, ["status", `--datadir=${file}`]),
    runProgram(FREEHOLD, ["start", `--datadir=${file}`, "--network=regtest"]),
  ]);
  const text = `Error: the data directory ${file} is a file: a folder is needed\n`;
  assert.deepEqual([status.stderr, start.stderr, status.code, start.code], [text, text, 1, 1]);
});

test("a reader that has had enough, and a disk that is full, are no crash", async () => {
  const closed = spawn(FREEHOLD, ["--help"], { stdio: ["ignore", "pipe", "pipe"] });
  closed.stdout.destroy();
  let told = "";
  closed.stderr.setEncoding("utf8").on("data", (text: string) => {
    told += text;
  });
  const [code] = await once(closed, "close");
  assert.deepEqual([code, told], [0, ""]);
  const full = await runProgram("/bin/sh", ["-c", '"$0" --help > /dev/full', FREEHOLD]);
  assert.equal(full.code, 1);
  assert.match(full.stderr, /^Error: the output cannot be written: ENOSPC.*\n$/);
});

test("a node whose port somebody else has on 127.0.0.1 is found on ::1", async (t) => {
  const { ask } = await makePlace();
  const stranger = createHttpServer((_request, response) => response.end("nothing that a node says"));
  await once(stranger.listen(0, "127.0.0.1"), "listening");
  const { port } = stranger.address() as AddressInfo;
  t.after(() => stranger.close().closeAllConnections());
  const started = await ask("start", "--json", `-rpcport=${port}`, "-listen=0", "-connect=0", "-apiport=0");
  if (started.code !== 0) {
    assert.match(started.stdout, /port \d+, on which RPC/);
    t.skip("this machine has no ::1");
    return;
  }
  assert.equal(JSON.parse(started.stdout).rpc, `[::1]:${port}`);
  assert.equal((await ask("stop")).code, 0);
});

test("a start that fails says why", async () => {
  const { datadir, run, ask } = await makePlace();
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as AddressInfo;
  // ::1 too, as another node has both; where there is no such address, nobody can have it.
  const other = createServer().listen(port, "::1");
  await Promise.race([once(other, "listening"), once(other, "error")]);
  const quiet = ["-connect=0", "-dnsseed=0", "-apiport=0"];
  const free = await freePort();
  const [rpc, peers] = [
    await ask("start", `-rpcport=${port}`, "-listen=0", ...quiet),
    await ask("start", `-rpcport=${free}`, `-bind=127.0.0.1:${port}`, ...quiet),
  ];
  taken.close();
  other.close();
  assert.deepEqual([rpc.code, peers.code], [1, 1]);
  assert.match(rpc.stderr, new RegExp(`^Error: port ${port}, on which RPC .* with --rpcport=<port>\\n$`));
  assert.match(
    peers.stderr,
    new RegExp(`^Error: 127\\.0\\.0\\.1:${port}, where .* with --port=<port>, or none`),
  );

  const wrong = await run("start", "-whitelist=nonsense");
  assert.deepEqual(wrong, {
    code: 1,
    signal: null,
    stdout: "",
    stderr: "Error: Invalid netmask specified in -whitelist: 'nonsense'\n",
  });
  const option = await run("start", "--json", "-nosuch");
  assert.equal(option.code, 1);
  assert.deepEqual(JSON.parse(option.stdout), {
    error: "Error parsing command line arguments: Invalid parameter -nosuch",
  });
  writeFileSync(join(datadir, "bitcoin.conf"), "word");
  const conf = await run("status");
  assert.equal(conf.code, 1);
  assert.match(conf.stderr, /^Error: Error reading configuration file: parse error on line 1: word\n$/);
});

test("a network of one's own", async () => {
  const { datadir } = await makePlace();
  const file = join(temporaryDirectory(), "circle.json");
  const [port, rpcPort] = [await freePort(), await freePort()];
  writeFileSync(
    file,
    JSON.stringify({
      name: "circle",
      ports: { p2p: port },
      genesis: { message: "circle", time: 1_777_593_600 },
      addresses: { bech32: "circ" },
      pow: { limit: `7f${"f".repeat(62)}`, targetSpacing: 60 },
    }),
  );
  const run = (...words: string[]) =>
    runProgram(FREEHOLD, [
      ...words,
      "--datadir",
      datadir,
      "-chain=circle",
      `-networkfile=${file}`,
      `-rpcport=${rpcPort}`,
      "-connect=0",
      "-dnsseed=0",
      "-apiport=0",
    ]);
  const { code, stderr, stdout } = await run("start", "--json");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(JSON.parse(stdout).network, "circle");
  assert.equal((await run("stop")).code, 0);
});

test("a command line that makes no sense ends with 2", async () => {
  const outcomes = await Promise.all([
    runProgram(FREEHOLD, ["nonsense"]),
    runProgram(FREEHOLD, ["status", "--nonsense"]),
    runProgram(FREEHOLD, []),
  ]);
  assert.deepEqual(
    outcomes.map(({ code }) => code),
    [2, 2, 2],
  );
  const json = await runProgram(FREEHOLD, ["files", "put", "--json"]);
  assert.deepEqual([json.code, JSON.parse(json.stdout)], [2, { error: "missing required argument 'path'" }]);
  const [help, version] = await Promise.all([
    runProgram(FREEHOLD, ["--help"]),
    runProgram(FREEHOLD, ["--version"]),
  ]);
  assert.deepEqual([help.code, version.code], [0, 0]);
  assert.match(help.stdout, /start \[options\] +start the node in the background/);
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
});
