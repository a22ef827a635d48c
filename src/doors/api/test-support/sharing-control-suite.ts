/**
 * What every SharingControl keeps to, as tests: run over one in this process, and again over the same one behind the
 * link. Doors rely on it: a verdict is a value, what was asked arrives whole, events come in order.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { SharingControl, SharingEvent } from "../sharing-control.ts";

/** A control under test, and a hand on what it tells. */
export interface ControlWorld extends AsyncDisposable {
  readonly control: SharingControl;
  /** Makes the control tell of an event. */
  tell(event: SharingEvent): void;
  /** A bucket that is there, holding one object of 5 bytes under this key, and nothing else. */
  readonly bucket: string;
  readonly key: string;
  /** A peer that is known, not connected; and the id of a peer that is not. */
  readonly known: string;
  readonly unknown: string;
}

/** Declares the suite's tests. @param open makes a fresh world for each */
export function sharingControlSuite(name: string, open: () => Promise<ControlWorld>): void {
  const check = (what: string, run: (world: ControlWorld) => Promise<void>) =>
    test(`${name}: ${what}`, { timeout: 20_000 }, async () => {
      await using world = await open();
      await run(world);
    });

  check("the status names the peer, its account and its services", async ({ control }) => {
    const status = await control.status();
    assert.match(status.peer, /^12D3KooW\w+$/);
    assert.match(status.account, /^[0-9a-f]{64}$/);
    assert.ok(status.startedAt > 0);
    assert.deepEqual(Object.keys(status.host).sort(), [
      "keepDays",
      "limitBytes",
      "on",
      "shards",
      "usedBytes",
    ]);
    assert.deepEqual([status.provider.on, status.provider.running], [false, 0]);
    assert.deepEqual(await control.status(), status);
  });

  check("an unset field is undefined, and nothing else", async ({ control, known }) => {
    const view = (await control.peers()).find(({ peer }) => peer === known);
    assert.ok(view !== undefined);
    for (const field of ["account", "ip", "latencyMs"] as const) {
      assert.ok(field in view, field);
    }
    assert.equal(view.connected, false);
    assert.equal(view.latencyMs, undefined);
  });

  check("what the caller got wrong is a verdict with its reason", async (world) => {
    const { control, bucket, unknown } = world;
    const verdicts = [
      await control.addPeer({ link: "no link" }),
      await control.banPeer({ peer: unknown, reason: "none" }),
      await control.removeMember({ peer: unknown }),
      await control.fileHealth({ bucket, key: "no such key" }),
      await control.fileHealth({ bucket: "no-such-bucket", key: "a" }),
      await control.makeBucket({ bucket: "Not A Bucket" }),
      await control.job({ id: "ff" }),
      await control.cancelJob({ id: "ff" }),
      await control.removeJob({ id: "ff" }),
      await control.run({ module: "/no/such/module.wasm", inputs: [] }),
      await control.render({ scene: "/no/such/scene.glb", width: 16, height: 16, samples: 16 }),
    ];
    for (const verdict of verdicts) {
      assert.equal(verdict.ok, false);
      assert.ok(!verdict.ok && verdict.reason.length > 0, JSON.stringify(verdict));
    }
  });

  check(
    "files are listed page by page, their health asked, and removed",
    async ({ control, bucket, key }) => {
      const page = (of: string) => control.listFiles({ bucket: of, prefix: "", after: "", limit: 100 });
      const buckets = await page("");
      assert.deepEqual(buckets.ok && buckets.value.entries.map((entry) => entry.key), [bucket]);
      const objects = await page(bucket);
      assert.deepEqual(objects.ok && objects.value.entries.map((entry) => [entry.key, entry.size]), [
        [key, 5],
      ]);
      const health = await control.fileHealth({ bucket, key });
      assert.equal(health.ok, true);
      assert.deepEqual(await control.removeFile({ bucket, key }), { ok: true, value: null });
      const after = await page(bucket);
      assert.deepEqual(after.ok && after.value.entries, []);
      assert.deepEqual(await control.makeBucket({ bucket: "another" }), { ok: true, value: null });
      const both = await control.listFiles({ bucket: "", prefix: "", after: "", limit: 1 });
      assert.deepEqual(both.ok && [both.value.entries.length, both.value.next], [1, "another"]);
    },
  );

  check("a bucket is removed once it is empty", async ({ control, bucket, key }) => {
    for (const giveUpUploads of [false, true]) {
      const refused = await control.removeBucket({ bucket, giveUpUploads });
      assert.equal(!refused.ok && refused.reason, `the bucket ${bucket} is not empty: files are in it`);
    }
    await control.removeFile({ bucket, key });
    const done = { ok: true, value: null };
    assert.deepEqual(await control.removeBucket({ bucket, giveUpUploads: false }), done);
    assert.equal((await control.removeBucket({ bucket, giveUpUploads: false })).ok, false);
    const left = await control.listFiles({ bucket: "", prefix: "", after: "", limit: 1 });
    assert.deepEqual(left.ok && left.value.entries, []);
  });

  check(
    "links to files are signed for the door, with keys that stay the same",
    async ({ control, bucket, key }) => {
      const [one, two] = [await control.s3Keys(), await control.s3Keys()];
      assert.deepEqual(one, two);
      assert.ok(one.ok);
      const link = await control.presign({ method: "GET", bucket, key, seconds: 60 });
      assert.ok(link.ok);
      const url = new URL(link.value.url);
      assert.equal(url.origin, one.value.endpoint);
      assert.equal(url.searchParams.get("X-Amz-Expires"), "60");
      assert.equal((await control.presign({ method: "GET", bucket, key, seconds: 604_801 })).ok, false);
      const query = { partNumber: "3", uploadId: "ab" };
      const part = await control.presign({ method: "PUT", bucket, key, seconds: 60, query });
      assert.ok(part.ok);
      const { searchParams } = new URL(part.value.url);
      assert.deepEqual([searchParams.get("partNumber"), searchParams.get("uploadId")], ["3", "ab"]);
    },
  );

  check("hosting and lending are switched, and say how they stand", async ({ control }) => {
    const on = await control.startHost({ limitBytes: 1_000_000 });
    assert.deepEqual(on.ok && [on.value.on, on.value.limitBytes], [true, 1_000_000]);
    assert.equal((await control.status()).host.on, true);
    const rules = { limitBytes: 2_000_000, limitBytesPerAccount: 500_000, keepDays: 3 };
    const limited = await control.startHost(rules);
    assert.deepEqual(
      limited.ok && [limited.value.limitBytesPerAccount, limited.value.keepDays],
      [500_000, 3],
    );
    const off = await control.stopHost();
    assert.equal(off.ok && off.value.on, false);
    const lends = await control.startProvider();
    assert.equal(lends.ok && lends.value.on, true);
    const rests = await control.stopProvider();
    assert.equal(rests.ok && rests.value.on, false);
  });

  check("there are no deals, receipts and jobs before there are", async ({ control }) => {
    assert.deepEqual(await control.deals(), []);
    assert.deepEqual(await control.receipts({}), []);
    assert.deepEqual(await control.receipts({ service: "compute", role: "seller", limit: 5 }), []);
    assert.deepEqual(await control.jobs({ limit: 1000 }), []);
    assert.deepEqual(await control.jobs({ limit: 1, after: { created: 1, id: "ab".repeat(16) } }), []);
  });

  check("events come whole and in order, to everyone who follows", async ({ control, tell }) => {
    const gone = new AbortController();
    const followers = [control.events(gone.signal), control.events(gone.signal)].map((events) =>
      events[Symbol.asyncIterator](),
    );
    const firsts = followers.map((events) => events.next());
    const told: SharingEvent[] = Array.from({ length: 300 }, (_, index) =>
      index % 3 === 0
        ? { type: "traffic", edges: [{ peer: "12D3KooWa", sent: index, received: 0 }] }
        : index === 1
          ? { type: "holder", peer: "12D3KooWa", name: "Bob", state: "missing", shards: 4 }
          : index === 2
            ? { type: "repair", state: "ended", slabs: 2, repaired: 3, waiting: 0, unreadable: 0 }
            : index === 4
              ? { type: "expired", account: "ab", shards: 2, bytes: 9000 }
              : { type: "object", bucket: "b", key: `k${index}`, change: "put" },
    );
    // Nobody follows before the first of it has arrived there.
    await control.status();
    for (const event of told) tell(event);
    for (const [at, events] of followers.entries()) {
      const seen: SharingEvent[] = [];
      for (let next = await firsts[at]!; ; next = await events.next()) {
        seen.push(next.value);
        if (seen.length === told.length) break;
      }
      assert.deepEqual(seen, told);
    }
    const last = followers.map((events) => events.next());
    gone.abort();
    for (const end of await Promise.all(last)) assert.equal(end.done, true);
  });
}
