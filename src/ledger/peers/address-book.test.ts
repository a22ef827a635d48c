import assert from "node:assert/strict";
import { test } from "node:test";
import { sha256d } from "#base/crypto/sha256.ts";
import { hex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { SeededRandom } from "#base/lib/random.ts";
import {
  type AddressKind,
  type NetAddress,
  type NodeEndpoint,
  parseEndpoint,
  parseNetAddress,
} from "#protocol/wire/net-address.ts";
import { AddressBook } from "./address-book.ts";
import { decodeAddressBook, decodeAnchors, encodeAddressBook, encodeAnchors } from "./address-files.ts";
import { BUCKET_SIZE, KnownAddress, NEW_BUCKETS, TRIED_BUCKETS } from "./known-address.ts";

const NOW = 1_700_000_000;
const MAGIC = hex("fabfb5da");
const SERVICES = 9n;

function endpoint(text: string): NodeEndpoint {
  return parseEndpoint(text, 8333)!;
}

function address(text: string): NetAddress {
  return parseNetAddress(text)!;
}

function entry(text: string, time = NOW): { time: number; services: bigint; endpoint: NodeEndpoint } {
  return { time, services: SERVICES, endpoint: endpoint(text) };
}

class Book extends AddressBook {
  time = NOW;
  constructor(seed = 1, key?: Uint8Array) {
    super({ random: new SeededRandom(seed), now: () => this.time, ...(key ? { key } : {}) });
  }
}

/** HashWriter{} << n: the keys of Core's addrman_tests. */
function coreKey(n: number): Uint8Array {
  return sha256d(Uint8Array.of(n, 0, 0, 0));
}

function known(text: string, source: string): KnownAddress {
  return new KnownAddress(endpoint(text), address(source), SERVICES, NOW);
}

test("buckets are Core's (addrman_tests: caddrinfo_get_tried_bucket_legacy, caddrinfo_get_new_bucket_legacy)", () => {
  const first = known("250.1.1.1:8333", "250.1.1.1");
  const other = known("250.1.1.1:9999", "250.1.1.1");
  assert.equal(first.triedBucket(coreKey(1)), 40);
  assert.notEqual(first.triedBucket(coreKey(1)), first.triedBucket(coreKey(2)));
  assert.notEqual(first.triedBucket(coreKey(1)), other.triedBucket(coreKey(1)));
  const told = known("250.1.2.1:8333", "250.1.2.1");
  assert.equal(told.newBucket(coreKey(1)), 786);
  assert.equal(told.newBucket(coreKey(1), address("250.1.2.1")), 786);
  // Ports make no difference while new.
  assert.equal(known("250.1.2.1:9999", "250.1.2.1").newBucket(coreKey(1)), 786);
});

test("one group reaches 8 tried buckets, one source's group 64 new ones", () => {
  const tried = new Set<number>();
  const fresh = new Set<number>();
  const spread = new Set<number>();
  for (let i = 0; i < 255; i++) {
    tried.add(known(`250.1.1.${i}:${i}`, `250.1.1.${i}`).triedBucket(coreKey(1)));
    fresh.add(known(`250.1.1.${i}`, `250.1.1.${i}`).newBucket(coreKey(1)));
    spread.add(known(`250.${i}.1.1`, `251.4.1.1`).newBucket(coreKey(1)));
  }
  assert.equal(tried.size, 8);
  assert.equal(fresh.size, 1);
  assert.ok(spread.size <= 64);
  assert.ok(spread.size > 40);
});

test("only addresses that others could reach get in, once each", () => {
  const book = new Book();
  assert.equal(book.add([entry("250.1.1.1")], address("252.2.2.2")), true);
  assert.equal(book.add([entry("250.1.1.1")], address("252.2.2.2")), false);
  for (const text of ["127.0.0.1:8333", "10.0.0.1:8333", "0.0.0.0:8333", "[::1]:8333"]) {
    assert.equal(book.add([entry(text)], address("252.2.2.2")), false, text);
  }
  // Another port is another node.
  assert.equal(book.add([entry("250.1.1.1:8334")], address("252.2.2.2")), true);
  assert.equal(book.size(), 2);
});

test("what a peer tells of others is taken for older than it says, what it tells of itself is not", () => {
  const book = new Book();
  book.add([entry("250.1.1.1"), entry("252.2.2.2")], address("252.2.2.2"), 7200);
  assert.equal(book.get(endpoint("250.1.1.1"))!.time, NOW - 7200);
  assert.equal(book.get(endpoint("252.2.2.2"))!.time, NOW);
});

test("a connection makes an address a tried one; a second one wanting its place waits for the test", () => {
  const book = new Book(3, new Uint8Array(32).fill(1, 0, 1));
  const source = address("252.2.2.2");
  // Two addresses with the same place among the tried.
  const texts = Array.from({ length: 4000 }, (_, i) => `250.${i >> 8}.${i & 255}.1:8333`);
  const places = new Map<string, string>();
  let pair: [string, string] | undefined;
  for (const text of texts) {
    const info = known(text, "252.2.2.2");
    const bucket = info.triedBucket(book.key);
    const place = `${bucket} ${info.bucketPosition(book.key, false, bucket)}`;
    const other = places.get(place);
    if (other !== undefined) {
      pair = [other, text];
      break;
    }
    places.set(place, text);
  }
  const [first, second] = pair!;
  book.add([entry(first), entry(second)], source);
  assert.equal(book.good(endpoint(first)), true);
  assert.equal(book.triedCount, 1);
  assert.equal(book.good(endpoint(second)), false);
  assert.equal(book.selectTriedCollision()!.endpoint.toString(), first);
  // The old one worked lately: it stays.
  book.resolveCollisions();
  assert.equal(book.selectTriedCollision(), undefined);
  assert.ok(book.get(endpoint(first))!.tried);
  // Four hours later it is tested, and does not answer.
  book.time += 5 * 3600;
  assert.equal(book.good(endpoint(second)), false);
  book.attempt(endpoint(first), true);
  book.resolveCollisions();
  assert.ok(book.get(endpoint(first))!.tried);
  book.time += 61;
  book.resolveCollisions();
  assert.ok(book.get(endpoint(second))!.tried);
  assert.ok(!book.get(endpoint(first))!.tried);
  assert.deepEqual([book.newCount, book.triedCount, book.size()], [1, 1, 2]);
});

test("picks come from both tables, and only of the networks asked for", () => {
  const book = new Book(4);
  const source = address("252.2.2.2");
  for (let i = 0; i < 200; i++)
    book.add([entry(`250.${i}.1.1`), entry(`[2a0${i % 8}:${i}::1]:8333`)], source);
  for (let i = 0; i < 50; i++) book.good(endpoint(`250.${i}.1.1`));
  const kinds = new Set<AddressKind>(["ipv6"]);
  let tried = 0;
  for (let i = 0; i < 300; i++) {
    assert.equal(book.select(false, kinds)!.endpoint.address.kind, "ipv6");
    const picked = book.select(false)!;
    if (book.get(picked.endpoint)!.tried) tried++;
    assert.ok(!book.get(book.select(true)!.endpoint)!.tried);
  }
  assert.ok(tried > 90 && tried < 210, `${tried} of 300 were tried ones`);
  assert.equal(book.select(false, new Set<AddressKind>(["onion"])), undefined);
  assert.equal(new Book().select(false), undefined);
});

test("getaddr gives at most 23% and nothing terrible", () => {
  const book = new Book(5);
  const source = address("252.2.2.2");
  for (let i = 0; i < 2000; i++)
    book.add([entry(`250.${i >> 8}.${i & 255}.1`)], address(`252.${i % 200}.1.1`));
  const old = NOW - 40 * 24 * 3600;
  book.add([entry("251.1.1.1", old)], source);
  const all = book.addresses(0, 0);
  assert.ok(!all.some(({ endpoint: { address: a } }) => a.toString() === "251.1.1.1"));
  assert.equal(book.addresses(0, 0, { filtered: false }).length, book.size());
  assert.equal(book.addresses(1000, 23).length, Math.floor((book.size() * 23) / 100));
  assert.equal(book.addresses(10, 23).length, 10);
  assert.equal(book.addresses(0, 0, { kind: "ipv6" }).length, 0);
});

test("failures make an address terrible, a success forgives them", () => {
  const book = new Book();
  book.add([entry("250.1.1.1")], address("252.2.2.2"));
  const info = book.get(endpoint("250.1.1.1"))!;
  for (let i = 0; i < 3; i++) {
    // Only a failure after others succeeded counts: else it may be our own line.
    book.time += 100;
    book.good(endpoint("9.9.9.9:1"));
    book.time += 100;
    book.attempt(info.endpoint, true);
  }
  assert.equal(info.attempts, 3);
  assert.ok(!info.isTerrible(book.time));
  assert.ok(info.isTerrible(book.time + 61));
  book.good(info.endpoint);
  assert.ok(!info.isTerrible(book.time + 61));
});

/** All that addrman's own consistency check looks at (CheckAddrman). */
function check(book: AddressBook): void {
  const fresh = [...book.places("new")];
  const tried = [...book.places("tried")];
  assert.equal(tried.length, book.triedCount);
  assert.equal(new Set(fresh.map(({ known: k }) => k)).size, book.newCount);
  assert.equal(book.size(), book.newCount + book.triedCount);
  for (const { bucket, position, known: k } of tried) {
    assert.ok(k.tried && k.references === 0 && k.lastSuccess !== 0);
    assert.equal(bucket, k.triedBucket(book.key));
    assert.equal(position, k.bucketPosition(book.key, false, bucket));
    assert.ok(bucket < TRIED_BUCKETS && position < BUCKET_SIZE);
  }
  const references = new Map<KnownAddress, number>();
  for (const { bucket, position, known: k } of fresh) {
    assert.ok(!k.tried && bucket < NEW_BUCKETS);
    assert.equal(position, k.bucketPosition(book.key, true, bucket));
    references.set(k, (references.get(k) ?? 0) + 1);
  }
  for (const [k, count] of references) assert.ok(k.references === count && count <= 8);
}

function randomBook(seed: number): Book {
  const random = new SeededRandom(seed);
  const book = new Book(seed);
  const some = (): string =>
    `250.${random.below(40)}.${random.below(4)}.${random.below(6)}:${8333 + random.below(2)}`;
  for (let step = 0; step < 3000; step++) {
    const text = some();
    const source = address(`252.${random.below(30)}.1.1`);
    switch (random.below(8)) {
      case 0:
        book.good(endpoint(text), random.below(2) === 0);
        break;
      case 1:
        book.attempt(endpoint(text), random.below(2) === 0);
        break;
      case 2:
        book.resolveCollisions();
        book.selectTriedCollision();
        break;
      case 3:
        book.time += random.below(4000);
        book.connected(endpoint(text));
        break;
      default:
        book.add([entry(text, book.time - random.below(40 * 86_400))], source, random.below(2) * 7200);
    }
  }
  return book;
}

test("from random changes the book stays consistent, and comes back from peers.dat as it was", () => {
  for (let seed = 1; seed <= 8; seed++) {
    const book = randomBook(seed);
    check(book);
    const file = encodeAddressBook(book, MAGIC);
    const again = decodeAddressBook(file, MAGIC, { random: new SeededRandom(1), now: () => book.time });
    check(again);
    const places = (b: AddressBook, table: "new" | "tried"): string[] =>
      [...b.places(table)].map(
        ({ bucket, position, known: k }) =>
          `${bucket} ${position} ${k.endpoint} ${k.source} ${k.time} ${k.services} ${k.lastSuccess} ${k.attempts}`,
      );
    assert.deepEqual(places(again, "new"), places(book, "new"));
    assert.deepEqual(places(again, "tried"), places(book, "tried"));
  }
});

test("peers.dat that is damaged, of another network or later is refused", () => {
  const file = encodeAddressBook(randomBook(1), MAGIC);
  const options = { random: new SeededRandom(1), now: () => NOW };
  const read = (bytes: Uint8Array, magic = MAGIC): AddressBook => decodeAddressBook(bytes, magic, options);
  assert.throws(() => read(file, hex("f9beb4d9")), new DecodeError("Invalid network magic number"));
  const flipped = file.slice();
  flipped[100]! ^= 1;
  assert.throws(() => read(flipped), new DecodeError("Checksum mismatch, data corrupted"));
  assert.throws(() => read(file.subarray(0, 20)), DecodeError);
  const later = file.slice(0, -32);
  later[4] = 5;
  later[5] = 32 + 5;
  const sealed = new Uint8Array([...later, ...sha256d(later)]);
  assert.throws(() => read(sealed), new DecodeError("Unsupported format of addrman database: 5"));
});

test("anchors.dat goes both ways", () => {
  const anchors = [entry("250.1.1.1"), entry("[2a02::1]:18444")];
  const again = decodeAnchors(encodeAnchors(anchors, MAGIC), MAGIC);
  assert.deepEqual(
    again.map(({ time, services, endpoint: e }) => [time, services, e.toString()]),
    anchors.map(({ time, services, endpoint: e }) => [time, services, e.toString()]),
  );
});
