import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Command } from "commander";
import Fastify from "fastify";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import type { ApiContext } from "#doors/api/context.ts";
import { EventHub } from "#doors/api/event-hub.ts";
import { nodeRoutes } from "#doors/api/routes/node.ts";
import { peersRoutes } from "#doors/api/routes/peers.ts";
import type { SharingControl } from "#doors/api/sharing-control.ts";
import { API_COOKIE, ApiRefusal } from "#doors/cli/api-client.ts";
import type { BackgroundNode } from "#doors/cli/background-node.ts";
import { CliContext, type CommonOptions } from "#doors/cli/cli-context.ts";
import { peerCommands } from "#doors/cli/commands/peer-commands.ts";
import type { PeerView } from "#sharing/mesh/mesh.ts";

const BOB: PeerView = {
  peer: "12D3KooWRGPVW4ufaT2wX68EgeVTDJvs4bH3HDh3XeUchKdxKeQx",
  account: "ab".repeat(32),
  name: "Bob\u001b[2J",
  standing: "friend",
  connected: true,
  addresses: [],
  ip: undefined,
  latencyMs: 1,
  bytesSent: 1,
  bytesReceived: 2,
  offers: {},
};
const REMOVED: PeerView = { ...BOB, standing: "stranger", standingReason: "the founder removed it" };

/** Commands as they are typed, against the real routes; what they print and ask is kept. */
class Terminal extends CliContext {
  readonly printed: { readonly json: unknown; readonly text: string }[] = [];
  readonly asked: string[] = [];
  answer = false;

  override print(_options: CommonOptions, json: unknown, text: string): void {
    this.printed.push({ json, text });
  }

  override async confirm(question: string): Promise<boolean> {
    this.asked.push(question);
    return this.answer;
  }

  async type(...words: string[]): Promise<void> {
    const program = new Command();
    peerCommands(program, this);
    await program.parseAsync(words, { from: "user" });
  }
}

async function terminal(context: TestContext, control: Partial<SharingControl>): Promise<Terminal> {
  const api: ApiContext = {
    version: "0",
    name: "Alice",
    clock: systemClock,
    log: silentLogger,
    ledger: undefined,
    sharing: () => ({ state: "running", control: control as SharingControl }),
    s3Origin: () => undefined,
    events: new EventHub(),
    incoming: "/none",
    jobs: "/none",
  };
  const app = Fastify();
  app.register(
    async (scope) => {
      peersRoutes(scope, api);
      nodeRoutes(scope, api);
    },
    { prefix: "/api" },
  );
  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) =>
    reply.code(error.statusCode ?? 500).send({ error: error.message }),
  );
  const address = await app.listen({ host: "127.0.0.1", port: 0 });
  const folder = await mkdtemp(join(tmpdir(), "freehold-peer-"));
  await writeFile(join(folder, API_COOKIE), `${address}\ntoken`);
  context.after(async () => {
    await app.close();
    await rm(folder, { recursive: true, force: true });
  });
  return new Terminal(() => ({ folder }) as BackgroundNode);
}

test("peer remove asks first, and takes no for an answer", async (context) => {
  const removed: string[] = [];
  const shell = await terminal(context, {
    peers: async () => [BOB],
    removeMember: async ({ peer }) => {
      removed.push(peer);
      return { ok: true, value: REMOVED };
    },
  });
  await shell.type("peer", "remove", BOB.peer.slice(-8));
  assert.match(shell.asked[0]!, /Remove Bob\[2J from your circle\?/);
  assert.deepEqual(shell.printed.at(-1)?.json, { removed: false });
  assert.deepEqual(removed, []);
  shell.answer = true;
  await shell.type("peer", "remove", BOB.peer);
  assert.deepEqual(removed, [BOB.peer]);
  await shell.type("peer", "remove", BOB.peer, "--yes", "--json");
  assert.equal(shell.asked.length, 2);
  const { json } = shell.printed.at(-1) as { json: { removed: boolean; peer: PeerView } };
  assert.equal(json.removed, true);
  assert.equal(json.peer.standing, "stranger");
});

test("peer remove says why it may not, and peers why one is no friend any more", async (context) => {
  const shell = await terminal(context, {
    peers: async () => [REMOVED],
    removeMember: async () => ({ ok: false, reason: "only its founder can remove it" }),
  });
  await assert.rejects(
    shell.type("peer", "remove", BOB.peer, "--yes"),
    (error: Error) => error instanceof ApiRefusal && /only its founder/.test(error.message),
  );
  await assert.rejects(shell.type("peer", "remove", "nobody", "--yes"), /no peer nobody/);
  await shell.type("peers");
  assert.match(shell.printed.at(-1)!.text, /stranger .* the founder removed it/);
});

test("a service that there is not is told of before anybody is asked", async (context) => {
  const shell = await terminal(context, { receipts: () => assert.fail("receipts were asked for") });
  await assert.rejects(
    shell.type("receipts", "--service", "laundry"),
    /^UsageError: --service laundry: storage, compute or relay is needed$/,
  );
});

test("an invitation says when it leads to this machine alone, and a peer that is not there what to look at", async (context) => {
  let listening = ["/ip4/127.0.0.1/tcp/8440", "/ip4/127.0.0.1/tcp/8441/ws"];
  let reason = "connection error 127.0.0.1:8440: connect ECONNREFUSED 127.0.0.1:8440";
  const shell = await terminal(context, {
    status: async () => ({ listening }) as unknown as Awaited<ReturnType<SharingControl["status"]>>,
    invite: async () => ({ ok: true, value: { link: "freehold:join/abc", expires: 1 } }),
    addPeer: async () => ({ ok: false, reason }),
  });
  await shell.type("peer", "invite");
  assert.match(shell.printed.at(-1)!.text, /leads to this machine alone.*\n.*--meshbind=/);
  listening = ["/ip4/127.0.0.1/tcp/8440", "/ip4/192.168.1.2/tcp/8440"];
  await shell.type("peer", "invite");
  assert.doesNotMatch(shell.printed.at(-1)!.text, /this machine alone/);
  await assert.rejects(shell.type("peer", "add", "freehold:join/abc"), /does not answer .*needs --meshbind/);
  reason = "connection error 192.168.1.2:8440: connect EHOSTUNREACH 192.168.1.2:8440";
  await assert.rejects(shell.type("peer", "add", "freehold:join/abc"), /is its node running/);
  reason = "the invitation has expired";
  await assert.rejects(
    shell.type("peer", "add", "freehold:join/abc"),
    /^ApiRefusal: the invitation has expired$/,
  );
});
