/** The two processes of a node: what dies comes back or goes with the other, and friends' ledgers find each other. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "#base/lib/random.ts";
import { sharingPidOf } from "../support/sharing-pid.ts";
import { type NodeOptions, type NodeProcess, type Reply, startNode, until } from "./node-process.ts";

const SEED = Number(process.env["FREEHOLD_TEST_SEED"] ?? Date.now() % 1_000_000);
/** By hand: FREEHOLD_TEST_KILLS=50. Each waits longer for the next start, half a minute at most. */
const KILLS = Number(process.env["FREEHOLD_TEST_KILLS"] ?? 3);
const NO_PROC = !existsSync("/proc/self/stat") && "the processes are found by /proc, which is not here";
const SHARING = ["-sharing=1", "-api=1", "-apiport=0", "-s3port=0", "-meshbind=/ip4/127.0.0.1/tcp/0"];

/** A node with both processes, and its account. */
async function startSharing(options: NodeOptions = {}): Promise<NodeProcess> {
  const node = await startNode({ ...options, args: [...SHARING, ...(options.args ?? [])] });
  await node.rpc("createwallet", ["freehold"]);
  await running(node);
  return node;
}

/** Asks the API. */
async function api(node: NodeProcess, path: string, body?: object): Promise<Reply> {
  const [address, token] = readFileSync(join(node.folder, ".api-cookie"), "utf8").split("\n");
  const response = await fetch(`${address}/api${path}`, {
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return JSON.parse(text);
}

async function running(node: NodeProcess): Promise<Reply> {
  return until("the sharing process runs", async () => {
    const { sharing } = await api(node, "/status").catch(() => ({ sharing: {} }));
    return sharing.state === "running" && sharing;
  });
}

/** Every process below one, by /proc. */
function below(pid: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        return [{ pid: Number(name), parent: Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) }];
      } catch {
        return [];
      }
    });
  const children = parents.filter(({ parent }) => parent === pid).map((each) => each.pid);
  return children.flatMap((child) => [child, ...below(child)]);
}

test("kill -9 of the sharing process leaves ledger and wallet answering, and it comes back", {
  skip: NO_PROC,
}, async (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = new SeededRandom(SEED);
  await using node = await startSharing();
  const { peer, account } = await running(node);
  await api(node, "/host/start", { limitBytes: 50_000_000 });
  for (let kill = 0; kill < KILLS; kill++) {
    // While it starts, or a while into its life.
    const pid = await until("there is one to kill", () => sharingPidOf(node.pid));
    const life = random.below(1500);
    t.diagnostic(`kill ${kill} after ${life} ms`);
    await sleep(life);
    process.kill(pid, "SIGKILL");
    const began = performance.now();
    assert.equal(await node.rpc("getblockcount"), kill);
    assert.equal(typeof (await node.rpc("getbalances")).mine.trusted, "number");
    assert.ok(performance.now() - began < 5000, "ledger and wallet answer at once");
    await node.rpc("generatetoaddress", [1, await node.rpc("getnewaddress")]);
    await until("it is another", () => sharingPidOf(node.pid) !== pid);
  }
  const after = await running(node);
  assert.deepEqual([after.peer, after.account, after.host.on], [peer, account, true]);
  const end = await node.stop();
  assert.deepEqual([end.code, end.stderr], [0, ""]);
});

test("kill -9 of the ledger's process leaves no process behind", {
  skip: !existsSync("/proc/self/stat") && "no /proc",
}, async () => {
  await using node = await startSharing();
  await api(node, "/provider/start", {});
  const family = await until("children for tasks are there", () => {
    const pids = below(node.pid);
    return pids.length >= 2 && pids;
  });
  await node.kill("SIGKILL");
  await until("all are gone", () => family.every((pid) => !isAlive(pid)));
});

function isAlive(pid: number): boolean {
  try {
    // What has ended and waits for its parent is no process any more.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test("friends' ledgers find each other, and a payment is there at once", async () => {
  await using alice = await startSharing({ args: ["-name=Alice"] });
  await using bob = await startSharing({ args: ["-name=Bob"] });
  const { link } = await api(alice, "/peers/invitations", { uses: 1, seconds: 600 });
  await api(bob, "/peers", { link });
  for (const node of [alice, bob]) {
    await until("the other's ledger is connected", async () => {
      const peers: Reply[] = await node.rpc("getpeerinfo");
      return peers.some(({ permissions, version }) => permissions.includes("noban") && version > 0);
    });
  }
  await alice.rpc("generatetoaddress", [101, await alice.rpc("getnewaddress")]);
  await until("bob has the chain", async () => (await bob.rpc("getblockcount")) === 101);
  await until("bob is up to date", async () => !(await bob.rpc("getblockchaininfo")).initialblockdownload);
  // Announcements to strangers wait for seconds, at random: most of five quicker than that are not luck.
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const began = performance.now();
    const txid = await alice.rpc("sendtoaddress", [await bob.rpc("getnewaddress"), 1]);
    await until("bob sees it", async () => (await bob.rpc("getrawmempool")).includes(txid));
    times.push(performance.now() - began);
  }
  assert.ok(times.filter((time) => time < 1500).length >= 4, `${times.join(", ")} ms`);
});

test("without a ledger the wallet says that it has no chain, and sharing runs", async () => {
  await using node = await startNode({
    args: [...SHARING, "-ledger=none"],
    wait: false,
  });
  await until("it answers", () =>
    node.rpc("uptime").then(
      () => true,
      () => false,
    ),
  );
  await assert.rejects(node.rpc("getblockcount"), /This node keeps no chain \(-ledger=none\)/);
  await node.rpc("createwallet", ["freehold"]);
  assert.equal((await running(node)).state, "running");
  const address = await node.rpc("getnewaddress");
  await assert.rejects(node.rpc("sendtoaddress", [address, 1]), /this node keeps no chain/);
  assert.equal((await node.stop()).code, 0);
});
