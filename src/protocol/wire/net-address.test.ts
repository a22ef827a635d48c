import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader } from "#base/lib/byte-reader.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { hex, toHex } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import {
  bip155Endpoint,
  legacyEndpoint,
  NetAddress,
  NodeEndpoint,
  parseEndpoint,
  parseNetAddress,
  splitHostPort,
  UNSPECIFIED,
} from "./net-address.ts";
import { netClass, netGroup } from "./net-group.ts";

/** Address, its Core network, and whether it is valid and routable (cases of Core's netbase_tests and net_tests). */
const ADDRESSES: readonly [text: string, network: string, valid: boolean][] = [
  ["127.0.0.1", "not_publicly_routable", true],
  ["::1", "not_publicly_routable", true],
  ["8.8.8.8", "ipv4", true],
  ["2001::8888", "ipv6", true],
  ["10.0.0.1", "not_publicly_routable", true],
  ["192.168.1.1", "not_publicly_routable", true],
  ["172.31.255.255", "not_publicly_routable", true],
  ["172.32.0.0", "ipv4", true],
  ["198.18.0.0", "not_publicly_routable", true],
  ["198.20.0.0", "ipv4", true],
  ["169.254.1.1", "not_publicly_routable", true],
  ["100.64.0.0", "not_publicly_routable", true],
  ["192.0.2.1", "not_publicly_routable", true],
  ["203.0.113.9", "not_publicly_routable", true],
  ["2001:0db8::", "not_publicly_routable", false],
  ["2001:10::", "not_publicly_routable", true],
  ["2001:20::", "not_publicly_routable", true],
  ["fc00::", "not_publicly_routable", true],
  ["fe80::", "not_publicly_routable", true],
  ["::", "not_publicly_routable", false],
  ["0.0.0.0", "not_publicly_routable", false],
  ["255.255.255.255", "not_publicly_routable", false],
  ["pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", "onion", true],
  ["ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p", "i2p", true],
  ["fd87:d87e:eb43:edb1:8e4:3588:e546:35ca", "not_publicly_routable", false],
];

test("addresses keep their text, network and validity", () => {
  for (const [text, network, valid] of ADDRESSES) {
    const address = parseNetAddress(text)!;
    assert.equal(address.network, network, text);
    assert.equal(address.valid, valid, text);
    if (!text.startsWith("fd87:") && !text.startsWith("2001:0db8")) assert.equal(address.toString(), text);
  }
});

test("what is no address is not parsed", () => {
  for (const text of [
    "",
    "1.2.3",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4.5",
    ":::",
    "1::2::3",
    "12345::",
    "g::",
    "example.org",
  ]) {
    assert.equal(parseNetAddress(text), undefined, text);
  }
  const onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
  assert.equal(parseNetAddress(onion.replace("pg6", "pg7")), undefined);
});

test("IPv6 prints as RFC 5952 says", () => {
  const cases: [string, string][] = [
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["0:0:1::", "0:0:1::"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::ffff:1.2.3.4", "1.2.3.4"],
    ["FF02:0:0:0:0:0:0:0101", "ff02::101"],
  ];
  for (const [text, printed] of cases) assert.equal(parseNetAddress(text)!.toString(), printed);
});

test("host and port split as Core's SplitHostPort", () => {
  const cases: [string, { host: string; port: number } | undefined][] = [
    ["www.bitcoincore.org", { host: "www.bitcoincore.org", port: 9 }],
    ["www.bitcoincore.org:80", { host: "www.bitcoincore.org", port: 80 }],
    ["127.0.0.1:8333", { host: "127.0.0.1", port: 8333 }],
    ["[::ffff:127.0.0.1]:8333", { host: "::ffff:127.0.0.1", port: 8333 }],
    ["[::]", { host: "::", port: 9 }],
    ["::8333", { host: "::8333", port: 9 }],
    [":8333", { host: "", port: 8333 }],
    ["[]:8333", { host: "", port: 8333 }],
    ["127.0.0.1:65536", undefined],
    ["127.0.0.1:x", undefined],
  ];
  for (const [text, result] of cases) assert.deepEqual(splitHostPort(text, 9), result, text);
});

test("bip155: every network goes both ways", () => {
  const endpoints = [
    "1.2.3.4:8333",
    "[2600::1]:18444",
    "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion:8333",
    "ukeu3k5oycgaauneqgtnvselmt4yemvoilkln7jpvamvfx7dnkdq.b32.i2p:0",
  ].map((text) => parseEndpoint(text, 0)!);
  endpoints.push(new NodeEndpoint(new NetAddress("cjdns", hex("fc000001000200030004000500060007")), 1));
  for (const endpoint of endpoints) {
    const writer = new ByteWriter();
    bip155Endpoint.write(writer, endpoint);
    assert.ok(bip155Endpoint.read(new ByteReader(writer.finish())).equals(endpoint), String(endpoint));
  }
});

test("bip155: wrong lengths throw, unknown networks and wrapped addresses are void", () => {
  assert.throws(
    () => bip155Endpoint.read(new ByteReader(hex("0105010203040500ff"))),
    new DecodeError("BIP155 IPv4 address with length 5 (should be 4)"),
  );
  assert.throws(
    () => bip155Endpoint.read(new ByteReader(hex("01fd010201020304"))),
    new DecodeError("Address too long: 513 > 512"),
  );
  for (const text of [
    "aa0401020304208d",
    "030a00000000000000000000208d",
    "021000000000000000000000ffff01020304208d",
  ]) {
    assert.ok(bip155Endpoint.read(new ByteReader(hex(text))).address.equals(UNSPECIFIED), text);
  }
});

test("addr's sixteen bytes hold IPv4, IPv6 and nothing else", () => {
  const writer = new ByteWriter();
  legacyEndpoint.write(writer, parseEndpoint("1.2.3.4:8333", 0)!);
  assert.equal(toHex(writer.finish()), "00000000000000000000ffff01020304208d");
  assert.equal(
    parseNetAddress("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion")!.fitsLegacy,
    false,
  );
});

test("groups are those of Core's netbase_getgroup", () => {
  const groups: [string, number[]][] = [
    ["127.0.0.1", [0]],
    ["257.0.0.1", []],
    ["10.0.0.1", [0]],
    ["169.254.1.1", [0]],
    ["1.2.3.4", [1, 1, 2]],
    ["64:FF9B::102:304", [1, 1, 2]],
    ["2002:102:304:9999:9999:9999:9999:9999", [1, 1, 2]],
    ["2001:0:9999:9999:9999:9999:FEFD:FCFB", [1, 1, 2]],
    ["2001:470:abcd:9999:9999:9999:9999:9999", [2, 32, 1, 4, 112, 175]],
    ["2001:2001:9999:9999:9999:9999:9999:9999", [2, 32, 1, 32, 1]],
  ];
  for (const [text, group] of groups) {
    const address = parseNetAddress(text);
    assert.deepEqual(address === undefined ? [] : [...netGroup(address)], group, text);
  }
  assert.equal(netClass(parseNetAddress("2002:102:304::")!), "ipv4");
  const internal = NetAddress.fromLegacyBytes(hex("fd6b88c087240102030405060708090a"));
  assert.deepEqual([...netGroup(internal)], [6, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});
