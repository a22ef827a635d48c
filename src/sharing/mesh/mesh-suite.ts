/** What every mesh keeps: one suite over the real one and the one in memory. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { z } from "zod";
import type { Mesh, RequestContext } from "./mesh.ts";
import { LoggedErrors, type MeshWorld } from "./mesh-world.ts";
import { accept, method, protocol, refuse } from "./protocol.ts";
import { bytesUpTo, integer } from "./schema.ts";

const MIB = 1024 * 1024;
const body = z.strictObject({ data: bytesUpTo(MIB) });

export const ECHO = protocol({
  name: "echo",
  major: 1,
  methods: {
    echo: method({ request: body, reply: body, requestLimit: MIB + 64, replyLimit: MIB + 64 }),
    small: method({
      request: z.strictObject({ n: integer(0, 10) }),
      reply: z.strictObject({ n: z.number() }),
    }),
    wait: method({ request: z.strictObject({}), reply: z.strictObject({}) }),
    /** Replies with what its caller does not expect. */
    lie: method({ request: z.strictObject({}), reply: z.strictObject({ truth: z.literal(true) }) }),
    missing: method({ request: z.strictObject({}), reply: z.strictObject({}) }),
  },
});
/** The same protocol as a caller without manners sees it. */
const RUDE = protocol({
  name: "echo",
  major: 1,
  methods: {
    small: method({ request: z.unknown(), reply: z.unknown() }),
    none: method({ request: z.unknown(), reply: z.unknown() }),
  },
});

const { echo, small, wait, lie, missing } = ECHO.methods;

export function serveEcho(mesh: Mesh, seen: RequestContext[] = []): void {
  mesh.serve(ECHO, {
    echo: async ({ data }, from) => {
      seen.push(from);
      return accept({ data });
    },
    small: async ({ n }) => (n === 7 ? refuse("conflict", "not seven") : accept({ n: n + 1 })),
    wait: (_request, { signal, ...from }) => {
      seen.push({ signal, ...from });
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve(accept({}))));
    },
    lie: async () => accept({ truth: false } as unknown as { truth: true }),
    missing: () => Promise.reject(new Error("planned failure")),
  });
}

export function meshSuite(
  title: string,
  makeWorld: (context: TestContext, errors: LoggedErrors) => MeshWorld,
): void {
  const meshTest = (name: string, run: (world: MeshWorld, errors: LoggedErrors) => Promise<void>): void => {
    test(`${title}: ${name}`, async (context) => {
      const errors = new LoggedErrors();
      await run(makeWorld(context, errors), errors);
    });
  };

  meshTest("friends know each other and answer", async (world, errors) => {
    const [a, b, c] = (await world.friends(3)) as [Mesh, Mesh, Mesh];
    const seen: RequestContext[] = [];
    serveEcho(b, seen);
    serveEcho(c);
    assert.equal(a.peers().filter(({ standing }) => standing === "friend").length, 2);
    const data = new Uint8Array(MIB).fill(7);
    const outcome = await a.call(b.self, ECHO, echo, { data });
    assert.ok(outcome.ok);
    assert.deepEqual(outcome.value.data, data);
    assert.equal(seen[0]?.peer, a.self);
    assert.equal(seen[0]?.account, a.account);
    assert.equal(seen[0]?.standing, "friend");
    const view = a.view(b.self)!;
    assert.equal(view.account, b.account);
    assert.ok(view.bytesSent > MIB && view.bytesReceived > MIB, `${view.bytesSent} ${view.bytesReceived}`);
    assert.deepEqual(
      await c.call(a.self, ECHO, small, { n: 1 }).then((o) => !o.ok && o.refusal.code),
      "unknown-method",
    );
    assert.deepEqual(errors.errors, []);
  });

  meshTest("many requests at once, each with its own answer", async (world) => {
    const [a, b] = (await world.friends(2)) as [Mesh, Mesh];
    serveEcho(b);
    const outcomes = await Promise.all(
      Array.from({ length: 1000 }, (_, i) => a.call(b.self, ECHO, echo, { data: Uint8Array.of(i, i >> 8) })),
    );
    outcomes.forEach((outcome, i) => {
      assert.ok(outcome.ok);
      assert.deepEqual(outcome.value.data, Uint8Array.of(i, i >> 8));
    });
  });

  meshTest("refusals come with code and text, and a bug of ours as internal", async (world, errors) => {
    const [a, b] = (await world.friends(2)) as [Mesh, Mesh];
    serveEcho(b);
    assert.deepEqual(await a.call(b.self, ECHO, small, { n: 7 }), refuse("conflict", "not seven"));
    assert.deepEqual(await a.call(b.self, ECHO, small, { n: 6 }), accept({ n: 7 }));
    assert.deepEqual(await a.call(b.self, ECHO, missing, {}), refuse("internal", "the request failed here"));
    assert.match(errors.errors.join(), /planned failure/);
    const liar = await a.call(b.self, ECHO, lie, {});
    assert.ok(!liar.ok && liar.refusal.code === "bad-reply", JSON.stringify(liar));
    const none = await a.call(b.self, RUDE, RUDE.methods.none, {});
    assert.ok(!none.ok && none.refusal.code === "unknown-method", JSON.stringify(none));
    const other = protocol({ name: "nobody", major: 1, methods: { small } });
    const unserved = await a.call(b.self, other, small, { n: 1 });
    assert.ok(!unserved.ok && unserved.refusal.code === "unknown-method", JSON.stringify(unserved));
  });

  meshTest("what does not fit its schema is refused, and repeated gets a ban", async (world) => {
    const [a, b] = (await world.friends(2)) as [Mesh, Mesh];
    serveEcho(b);
    const banned = new Promise<string | undefined>((resolve) => {
      b.changed.on(({ kind, reason }) => (kind === "banned" ? resolve(reason) : undefined));
    });
    const first = await a.call(b.self, RUDE, RUDE.methods.small, { n: "one" });
    assert.ok(!first.ok && first.refusal.code === "bad-request", JSON.stringify(first));
    for (let i = 0; i < 5; i++) await a.call(b.self, RUDE, RUDE.methods.small, { n: 11 });
    assert.match((await banned) ?? "", /small/);
    assert.equal(b.view(a.self)?.standing, "banned");
    const after = await a.call(b.self, ECHO, small, { n: 1 });
    assert.ok(!after.ok && after.refusal.code === "unreachable", JSON.stringify(after));
  });

  meshTest("calls end in time, when given up, and with their peer", async (world) => {
    const [a, b] = (await world.friends(2)) as [Mesh, Mesh];
    const seen: RequestContext[] = [];
    serveEcho(b, seen);
    const late = await a.call(b.self, ECHO, wait, {}, { timeoutMs: 50 });
    assert.ok(!late.ok && late.refusal.code === "timeout", JSON.stringify(late));
    const controller = new AbortController();
    const given = a.call(b.self, ECHO, wait, {}, { signal: controller.signal });
    controller.abort();
    const aborted = await given;
    assert.ok(!aborted.ok && aborted.refusal.code === "aborted", JSON.stringify(aborted));
    seen.length = 0;
    const cut = a.call(b.self, ECHO, wait, {});
    // The request is under way when its answerer goes.
    while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const gone = new Promise<void>((resolve) => {
      a.changed.on(({ kind }) => (kind === "disconnected" ? resolve() : undefined));
    });
    await world.kill(b);
    const lost = await cut;
    assert.ok(!lost.ok && lost.refusal.code === "unreachable", JSON.stringify(lost));
    await gone;
    assert.equal(a.view(b.self)?.connected, false);
    const again = await a.call(b.self, ECHO, small, { n: 1 });
    assert.ok(!again.ok && again.refusal.code === "unreachable", JSON.stringify(again));
  });

  meshTest("offers are told at once and withdrawn", async (world) => {
    const [a, b] = (await world.friends(2)) as [Mesh, Mesh];
    const told = (has: boolean): Promise<void> =>
      new Promise((resolve) => {
        a.changed.on(({ view }) => {
          if (view.peer === b.self && (view.offers["storage"] !== undefined) === has) resolve();
        });
      });
    const offered = told(true);
    b.offer("storage", Uint8Array.of(1, 2, 3));
    await offered;
    assert.deepEqual(a.view(b.self)?.offers["storage"], Uint8Array.of(1, 2, 3));
    const withdrawn = told(false);
    b.offer("storage", undefined);
    await withdrawn;
  });

  meshTest("a stranger is no friend, and is seen as one", async (world) => {
    const [a] = (await world.friends(2)) as [Mesh, Mesh];
    const seen: RequestContext[] = [];
    serveEcho(a, seen);
    const stranger = await world.stranger(a);
    const outcome = await stranger.call(a.self, ECHO, echo, { data: new Uint8Array(3) });
    assert.ok(outcome.ok);
    assert.equal(seen[0]?.standing, "stranger");
    assert.equal(a.view(stranger.self)?.standing, "stranger");
    a.ban(stranger.self, "not wanted");
    const after = await stranger.call(a.self, ECHO, small, { n: 1 });
    assert.ok(!after.ok && after.refusal.code === "unreachable", JSON.stringify(after));
  });

  meshTest("device keys sign, and only for themselves", async (world) => {
    const [a, b] = (await world.friends(2)) as [Mesh, Mesh];
    const message = Uint8Array.of(1, 2, 3);
    const signature = await a.sign(message);
    assert.equal(await b.verify(a.self, message, signature), true);
    assert.equal(await b.verify(b.self, message, signature), false);
    assert.equal(await b.verify(a.self, Uint8Array.of(1, 2), signature), false);
    assert.equal(await b.verify("not a peer", message, signature), false);
  });
}
