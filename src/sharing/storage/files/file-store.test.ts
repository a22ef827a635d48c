/** What the S3 door relies on: names, listing, versions, conditions, copies, parts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { FileError, type FileErrorCode } from "../file-store.ts";
import type { Files } from "./files.ts";
import { bodyOf, Circle, type Owner, readAll } from "./test-circle.ts";

let circle: Circle;
let owner: Owner;
let files: Files;

before(async () => {
  circle = await Circle.start({ hosts: 4, policy: { slabBytes: 1 << 20 } });
  owner = await circle.owner();
  files = owner.files;
});

after(() => circle.stop());

const text = (value: string) => bodyOf(new TextEncoder().encode(value));

async function contentOf(bucket: string, key: string, version?: string): Promise<string> {
  return new TextDecoder().decode(await readAll(files.read(await files.head(bucket, key, version))));
}

function refused(code: FileErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof FileError && error.code === code;
}

test("buckets: made once, with a proper name, removed when empty", async () => {
  await files.createBucket("buckets");
  await assert.rejects(files.createBucket("buckets"), refused("BucketAlreadyOwnedByYou"));
  for (const name of ["ab", "Upper", "a..b", "192.168.1.1", "-a-", "x".repeat(64)]) {
    await assert.rejects(files.createBucket(name), refused("InvalidBucketName"), name);
  }
  await files.put("buckets", "k", text("v"));
  await assert.rejects(files.deleteBucket("buckets"), refused("BucketNotEmpty"));
  await files.delete("buckets", "k");
  const upload = await files.startUpload("buckets", "k");
  await assert.rejects(files.deleteBucket("buckets"), /unfinished uploads are in it/);
  await files.abortUpload(upload.id);
  await files.deleteBucket("buckets");
  await assert.rejects(files.bucket("buckets"), refused("NoSuchBucket"));
  await assert.rejects(files.put("buckets", "k", text("v")), refused("NoSuchBucket"));
  assert.equal((await files.createBucket("buckets")).versioning, "off");
});

test("listing: byte order of UTF-8, prefixes, delimiters, pages", async () => {
  await files.createBucket("listing");
  const keys = [
    "a",
    "a/1",
    "a/2",
    "a/b/1",
    "a/b/2",
    "b",
    "b\u0000x",
    "ba",
    "c/",
    "c/1",
    "é",
    "\u{1f600}",
    "\uffee",
  ];
  await Promise.all(keys.map((key) => files.put("listing", key, text(key))));
  const encoder = new TextEncoder();
  const sorted = [...keys].sort((x, y) => Buffer.compare(encoder.encode(x), encoder.encode(y)));
  const page = await files.list("listing", { limit: 1000 });
  assert.deepEqual(
    page.objects.map(({ key }) => key),
    sorted,
  );
  assert.equal(page.next, undefined);
  for (const limit of [1, 2, 3, 5]) {
    for (const query of [{}, { delimiter: "/" }, { prefix: "a/", delimiter: "/" }, { prefix: "a" }]) {
      const whole = await files.list("listing", { ...query, limit: 1000 });
      const found: string[] = [];
      let next: string | undefined;
      do {
        const one = await files.list("listing", {
          ...query,
          limit,
          ...(next === undefined ? {} : { after: next }),
        });
        assert.equal(one.objects.length + one.commonPrefixes.length <= limit, true);
        found.push(...one.objects.map(({ key }) => key), ...one.commonPrefixes);
        next = one.next;
      } while (next !== undefined);
      const all = [...whole.objects.map(({ key }) => key), ...whole.commonPrefixes];
      assert.deepEqual(found.sort(), all.sort());
    }
  }
  const split = await files.list("listing", { delimiter: "/", limit: 1000 });
  assert.deepEqual(split.commonPrefixes, ["a/", "c/"]);
  const inner = await files.list("listing", { prefix: "a/", delimiter: "/", limit: 1000 });
  assert.deepEqual(
    inner.objects.map(({ key }) => key),
    ["a/1", "a/2"],
  );
  assert.deepEqual(inner.commonPrefixes, ["a/b/"]);
  assert.deepEqual(
    (await files.list("listing", { after: "b", limit: 2 })).objects.map(({ key }) => key),
    ["b\u0000x", "ba"],
  );
});

test("versions: each kept, delete markers, removal by name, suspended", async () => {
  await files.createBucket("versions");
  await files.put("versions", "k", text("unversioned"));
  await files.setVersioning("versions", "enabled");
  const one = await files.put("versions", "k", text("one"));
  const two = await files.put("versions", "k", text("two"));
  assert.notEqual(one.versionId, two.versionId);
  assert.equal(await contentOf("versions", "k"), "two");
  assert.equal(await contentOf("versions", "k", one.versionId), "one");
  assert.equal(await contentOf("versions", "k", "null"), "unversioned");
  const marker = await files.delete("versions", "k");
  assert.equal(marker?.deleteMarker, true);
  await assert.rejects(files.head("versions", "k"), refused("NoSuchKey"));
  await assert.rejects(files.head("versions", "k", marker!.versionId), refused("MethodNotAllowed"));
  await assert.rejects(files.head("versions", "k", "00"), refused("NoSuchVersion"));
  const listed = await files.listVersions("versions", { limit: 10 });
  assert.deepEqual(
    listed.objects.map(({ versionId, latest, deleteMarker }) => [versionId, latest, deleteMarker]),
    [
      [marker!.versionId, true, true],
      [two.versionId, false, false],
      [one.versionId, false, false],
      ["null", false, false],
    ],
  );
  const first = await files.listVersions("versions", { limit: 2 });
  assert.deepEqual([first.next, first.nextVersion], ["k", two.versionId]);
  const rest = await files.listVersions("versions", { limit: 2, after: "k", afterVersion: two.versionId });
  assert.deepEqual(
    rest.objects.map(({ versionId, latest }) => [versionId, latest]),
    [
      [one.versionId, false],
      ["null", false],
    ],
  );
  await files.delete("versions", "k", marker!.versionId);
  assert.equal(await contentOf("versions", "k"), "two");
  await files.setVersioning("versions", "suspended");
  assert.equal((await files.put("versions", "k", text("null again"))).versionId, "null");
  assert.equal(await contentOf("versions", "k", one.versionId), "one");
  assert.equal((await files.listVersions("versions", { limit: 10 })).objects.length, 3);
});

test("conditions are checked just before the write", async () => {
  await files.createBucket("conditions");
  const made = await files.put("conditions", "k", text("1"), { ifNoneMatch: "*" });
  await assert.rejects(
    files.put("conditions", "k", text("2"), { ifNoneMatch: "*" }),
    refused("PreconditionFailed"),
  );
  await assert.rejects(
    files.put("conditions", "k", text("2"), { ifMatch: "0" }),
    refused("PreconditionFailed"),
  );
  await assert.rejects(files.put("conditions", "none", text("2"), { ifMatch: "0" }), refused("NoSuchKey"));
  await files.put("conditions", "k", text("2"), { ifMatch: made.etag });
  // Of many that may only be the first, one is.
  const race = Array.from({ length: 8 }, (_, i) =>
    files.put("conditions", "race", text(`${i}`), { ifNoneMatch: "*" }).then(
      () => 1,
      () => 0,
    ),
  );
  assert.equal(
    (await Promise.all(race)).reduce<number>((sum, won) => sum + won, 0),
    1,
  );
});

test("a digest that does not fit refuses the object, and nothing is stored", async () => {
  await files.createBucket("digest");
  const check = ({ size, md5 }: { size: number; md5: string }) => {
    assert.equal(size, 200_000);
    assert.match(md5, /^[0-9a-f]{32}$/);
    throw new FileError("BadDigest", "another digest");
  };
  await assert.rejects(
    files.put("digest", "k", bodyOf(new Uint8Array(200_000)), { check }),
    refused("BadDigest"),
  );
  await assert.rejects(files.head("digest", "k"), refused("NoSuchKey"));
  await assert.rejects(files.put("digest", "k".repeat(1025), text("")), refused("KeyTooLongError"));
  const metadata = { a: "x".repeat(2048) };
  await assert.rejects(files.put("digest", "k", text(""), { metadata }), refused("MetadataTooLarge"));
});

test("parts: in order, each of 5 MiB but the last, replaced, completed, given up", async () => {
  await files.createBucket("parts");
  const { id } = await files.startUpload("parts", "big", { contentType: "a/b", metadata: { x: "y" } });
  const [one, two, three] = [5 << 20, 5 << 20, 3].map((size) => circle.random.fill(new Uint8Array(size)));
  await files.putPart(id, 1, bodyOf(two!));
  const second = await files.putPart(id, 2, bodyOf(two!));
  const first = await files.putPart(id, 1, bodyOf(one!));
  const last = await files.putPart(id, 7, bodyOf(three!));
  assert.deepEqual(
    (await files.parts(id, { after: 1, limit: 10 })).map(({ part }) => part),
    [2, 7],
  );
  assert.deepEqual(
    (await files.uploads("parts", { limit: 10 })).map((upload) => upload.id),
    [id],
  );
  await assert.rejects(files.completeUpload(id, [second, first]), refused("InvalidPartOrder"));
  await assert.rejects(files.completeUpload(id, [{ part: 3, etag: first.etag }]), refused("InvalidPart"));
  await assert.rejects(files.completeUpload(id, [{ part: 1, etag: "00" }]), refused("InvalidPart"));
  const small = await files.putPart(id, 3, bodyOf(three!));
  await assert.rejects(files.completeUpload(id, [first, small, last]), refused("EntityTooSmall"));
  // Asked twice at once, as by a client that waited too long, it is done once.
  const complete = () => files.completeUpload(id, [first, second, last], { ifNoneMatch: "*" });
  const [object, again] = await Promise.all([complete(), complete()]);
  assert.deepEqual(again, object);
  await assert.rejects(files.completeUpload(id, [first, second]), refused("NoSuchUpload"));
  const md5 = (bytes: Uint8Array) => createHash("md5").update(bytes).digest();
  const sums = Buffer.concat([md5(one!), md5(two!), md5(three!)]);
  assert.equal(object.etag, `${md5(sums).toString("hex")}-3`);
  assert.equal(object.contentType, "a/b");
  assert.deepEqual(object.metadata, { x: "y" });
  const whole = await readAll(files.read(object));
  assert.equal(Buffer.compare(whole, Buffer.concat([one!, two!, three!])), 0);
  await assert.rejects(files.putPart(id, 1, text("late")), refused("NoSuchUpload"));
  const other = await files.startUpload("parts", "other");
  const range = { first: 5 << 20, last: (5 << 20) + 99 };
  const copied = await files.copyPart(other.id, 1, object, range);
  assert.equal(copied.size, 100);
  const made = await files.completeUpload(other.id, [copied]);
  assert.deepEqual(await readAll(files.read(made)), two!.slice(0, 100));
  const given = await files.startUpload("parts", "given up");
  await files.putPart(given.id, 1, text("x"));
  await files.abortUpload(given.id);
  assert.deepEqual(await files.uploads("parts", { limit: 10 }), []);
});

test("copies share slabs, and outlive their source; what nothing refers to is dropped at the hosts", async () => {
  const quick = await circle.owner({ policy: { garbageSeconds: -60 }, filesKey: new Uint8Array(32).fill(3) });
  const store = quick.files;
  await store.createBucket("copies");
  const bytes = circle.random.fill(new Uint8Array(1_500_000));
  const object = await store.put("copies", "a", bodyOf(bytes), { contentType: "t/t" });
  const copy = await store.copy(object, "copies", "b");
  assert.equal(copy.contentType, "t/t");
  assert.deepEqual(await store.health(copy), await store.health(object));
  await store.delete("copies", "a");
  await store.upkeep();
  assert.deepEqual(await readAll(store.read(copy)), bytes);
  const used = () => circle.hosts.reduce((sum, { host }) => sum + host.status().usedBytes, 0);
  const before = used();
  await store.delete("copies", "b");
  await store.upkeep();
  assert.equal(used() < before - 2 * bytes.length, true, `${before} bytes, then ${used()}`);
  assert.equal((await store.status()).objects, 0);
});

test("many small files at once share slabs and segments", async () => {
  await files.createBucket("small");
  const before = (await files.status()).slabs;
  const bodies = Array.from({ length: 200 }, () => circle.random.fill(new Uint8Array(5000)));
  await Promise.all(bodies.map((body, i) => files.put("small", `${i}`, bodyOf(body))));
  const slabs = (await files.status()).slabs - before;
  assert.equal(slabs < 40, true, `${slabs} slabs`);
  for (const i of [0, 77, 199]) {
    const object = await files.head("small", `${i}`);
    assert.deepEqual(await readAll(files.read(object)), bodies[i]);
    assert.deepEqual(await readAll(files.read(object, { first: 10, last: 19 })), bodies[i]!.slice(10, 20));
  }
});

test("what was stored, read and proven is receipted, and the status adds up", async () => {
  await files.upkeep();
  const kinds = new Set(owner.deals.settled.map(({ step }) => step.what));
  assert.deepEqual([...kinds].sort(), ["epoch audited", "shard stored"]);
  const status = await files.status();
  assert.equal(status.hosts.length, 4);
  assert.equal(
    status.hosts.every(({ proven }) => proven),
    true,
  );
  assert.equal(status.shards.stored, 4 * status.slabs);
  assert.equal(status.objects > 200, true);
});
