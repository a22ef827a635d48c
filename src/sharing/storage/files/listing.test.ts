import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "#base/lib/random.ts";
import type { Entry, KeyRange } from "#base/store/key-value-store.ts";
import { MemoryStore } from "#base/store/memory-store.ts";
import type { ListQuery } from "../file-store.ts";
import { versionRow } from "./index-keys.ts";
import { listObjects, listVersions, type ToInfo } from "./listing.ts";
import type { ObjectEntry } from "./log-entry.ts";
import { encodeRow } from "./namespace.ts";

class CountingStore extends MemoryStore {
  walks = 0;

  override iterate(range?: KeyRange): AsyncIterable<Entry> {
    this.walks++;
    return super.iterate(range);
  }
}

interface Version {
  readonly key: string;
  readonly marker: boolean;
}

/** Versions in the order in which they were made. */
async function storeOf(versions: readonly Version[]): Promise<CountingStore> {
  const store = new CountingStore();
  await store.batch(
    versions.map(({ key, marker }, at) => {
      const stamp = { counter: at + 1, chain: "c" };
      const entry: ObjectEntry = {
        ...{ type: "object", bucket: "b", key, version: `v${at}`, size: 0, etag: "", modified: at },
        ...(marker && { marker }),
        content: { inline: new Uint8Array(0) },
      };
      return { type: "put", key: versionRow("b", key, stamp), value: encodeRow({ stamp, entry }) };
    }),
  );
  return store;
}

const toInfo: ToInfo = (entry, latest) => ({
  ...{ bucket: "b", key: entry.key, versionId: entry.version, latest, deleteMarker: entry.marker === true },
  ...{ size: entry.size, etag: entry.etag, modified: entry.modified },
});

async function pageOf(store: CountingStore, query: ListQuery) {
  const page = await listObjects(store, "b", query, toInfo);
  const { objects, commonPrefixes, next } = page;
  return { objects: objects.map(({ key, versionId }) => `${key} ${versionId}`), commonPrefixes, next };
}

test("pages tell the newest of each key, whatever lies between", async () => {
  const random = new SeededRandom(7);
  for (let round = 0; round < 25; round++) {
    const versions: Version[] = [];
    const keys = Array.from(
      { length: 12 },
      () => `${"ab"[random.below(2)]}/${"xyz"[random.below(3)]}${random.below(4)}`,
    );
    for (const key of keys) {
      for (let i = 1 + random.below(random.below(4) === 0 ? 300 : 3); i > 0; i--) {
        versions.push({ key, marker: random.below(4) === 0 });
      }
    }
    const newest = new Map(
      versions.map(({ key, marker }, at) => [key, marker ? undefined : `${key} v${at}`]),
    );
    const there = [...newest].filter(([, shown]) => shown !== undefined).sort();
    const store = await storeOf(versions);
    for (const delimiter of [undefined, "/"]) {
      const told: string[] = [];
      const limit = 1 + random.below(5);
      let after: string | undefined;
      for (;;) {
        const page = await pageOf(store, {
          limit,
          ...(delimiter !== undefined && { delimiter }),
          ...(after !== undefined && { after }),
        });
        assert.ok(page.objects.length + page.commonPrefixes.length <= limit);
        told.push(...page.objects, ...page.commonPrefixes);
        after = page.next;
        if (after === undefined) break;
      }
      const expected =
        delimiter === undefined
          ? there.map(([, shown]) => shown)
          : [...new Set(there.map(([key]) => key.slice(0, key.indexOf("/") + 1)))];
      assert.deepEqual(told, expected, `round ${round}`);
    }
  }
});

test("a page is one walk, and what it passes over by the thousand is jumped", async () => {
  const plain = (key: string): Version => ({ key, marker: false });
  const many = Array.from({ length: 1000 }, (_, at) => plain(`key-${at}`));
  const keys = await storeOf(many);
  assert.equal((await pageOf(keys, { limit: 1000 })).objects.length, 1000);
  assert.equal(keys.walks, 1);

  const folders = await storeOf(many.map(({ key }) => plain(`${key}/file`)));
  assert.equal((await pageOf(folders, { limit: 1000, delimiter: "/" })).commonPrefixes.length, 1000);
  assert.equal(folders.walks, 1);

  const deep = await storeOf([
    ...many.map(() => plain("rewritten")),
    ...many.map(({ key }) => plain(`folder/${key}`)),
    plain("z"),
  ]);
  const page = await pageOf(deep, { limit: 10, delimiter: "/" });
  assert.deepEqual([page.objects, page.commonPrefixes], [["rewritten v999", "z v2000"], ["folder/"]]);
  assert.equal(deep.walks, 3);

  const query = { limit: 2, delimiter: "/" };
  const versions = await listVersions(deep, "b", query, toInfo, async () => undefined);
  assert.deepEqual(versions.commonPrefixes, ["folder/"]);
  assert.deepEqual([versions.next, versions.nextVersion], ["rewritten", "v999"]);
  const all = await listVersions(folders, "b", { ...query, limit: 1000 }, toInfo, async () => undefined);
  assert.equal(all.commonPrefixes.length, 1000);
  assert.equal(folders.walks, 2);
});
