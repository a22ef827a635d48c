import assert from "node:assert/strict";
import { parseAddress } from "#doors/s3/address.ts";
import { decodeChunks } from "#doors/s3/aws-chunked.ts";
import { parseCopyRange, parseRange } from "#doors/s3/byte-range.ts";
import { parseCopySource } from "#doors/s3/copy-source.ts";
import { S3Error } from "#doors/s3/s3-error.ts";
import { canonicalRequest, readHeaders } from "#doors/s3/sigv4/signing.ts";
import { verifyRequest } from "#doors/s3/sigv4/verify.ts";
import { encodeUri, parseQuery } from "#doors/s3/uri.ts";
import { childText, element, parseXml, type XmlElement } from "#doors/s3/xml.ts";
import type { FuzzTarget } from "./fuzz.ts";

const OPTIONS = {
  credentials: [{ accessKey: "AKIAIOSFODNN7EXAMPLE", secretKey: "secret" }],
  region: "us-east-1",
  now: Date.parse("2013-05-24T00:00:00Z"),
};
const SIGNING = {
  key: new Uint8Array(32),
  timestamp: "20130524T000000Z",
  scope: { date: "20130524", region: "us-east-1" },
  seed: "0".repeat(64),
};

/** Inputs are told apart by their first letter, so that mutations of one kind stay mostly within it. */
const SEEDS = [
  "A" +
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
    `SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=${"0".repeat(64)}`,
  "Q/bucket/a%20b/%C3%A4?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
    "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=ab",
  `C5;chunk-signature=${"0".repeat(64)}\r\nhello\r\n0;chunk-signature=${"0".repeat(64)}\r\n\r\n`,
  "U5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n",
  "X<Delete xmlns='urn:x'><Quiet>true</Quiet><Object><Key>a&amp;b&#x41;&#66;</Key></Object><!-- c --></Delete>",
  'X<?xml version="1.0"?><CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"x"</ETag></Part>' +
    "</CompleteMultipartUpload>",
  "X<VersioningConfiguration><Status><![CDATA[Enabled]]></Status></VersioningConfiguration>",
  "Rbytes=0-499",
  "Rbytes=-1",
  "S/bucket/key%2Fx?versionId=abc",
];

/** Whatever comes in is taken or refused with a code of S3's: nothing else is thrown, and nothing hangs. */
export const target: FuzzTarget = {
  name: "S3 requests: signatures, addresses, chunks, documents, ranges",
  seeds: SEEDS.map((text) => new TextEncoder().encode(text)),
  async run(input) {
    const text = Buffer.from(input.subarray(1)).toString("latin1");
    try {
      switch (String.fromCharCode(input[0] ?? 0)) {
        case "A":
          return checkHeader(text);
        case "Q":
          return checkUrl(text);
        case "C":
        case "U":
          return await checkChunks(input.subarray(1), input[0] === 0x43);
        case "X":
          return checkDocument(new TextDecoder().decode(input.subarray(1)));
        case "R":
          return checkRange(text);
        default:
          parseCopySource(text);
      }
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      assert.ok(error.status >= 400 && error.status <= 503);
      assert.ok(!error.message.includes(OPTIONS.credentials[0]!.secretKey));
    }
  },
};

function checkHeader(text: string): void {
  const raw = ["Host", "h", "x-amz-date", "20130524T000000Z", "x-amz-content-sha256", "UNSIGNED-PAYLOAD"];
  const headers = readHeaders([...raw, "Authorization", text]);
  verifyRequest({ method: "GET", path: "/", query: [], headers }, OPTIONS);
  assert.fail("a signature that nobody made was taken");
}

function checkUrl(text: string): void {
  const at = text.indexOf("?");
  const address = parseAddress("bucket.localhost:9000", at < 0 ? text : text.slice(0, at), ["localhost"]);
  assert.ok(Buffer.byteLength(address.key) <= 1024);
  const query = parseQuery(at < 0 ? "" : text.slice(at + 1));
  // What is decoded and encoded again is decoded to the same: else two requests could share a signature.
  const again = parseQuery(query.map(([name, value]) => `${encodeUri(name)}=${encodeUri(value)}`).join("&"));
  assert.deepEqual(again, query);
  const headers = readHeaders(["Host", "h"]);
  const request = { method: "GET", path: address.path, query, headers };
  canonicalRequest({ ...request, signedHeaders: ["host"], payloadHash: "x" });
  verifyRequest(request, OPTIONS);
  assert.fail("a signature that nobody made was taken");
}

async function checkChunks(bytes: Uint8Array, signed: boolean): Promise<void> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
  }
  const framing = signed ? { signing: SIGNING } : { trailers: ["x-amz-checksum-crc32"] };
  let size = 0;
  for await (const piece of decodeChunks(pieces(), framing, () => undefined)) size += piece.length;
  assert.ok(size <= bytes.length);
  assert.ok(!signed, "a chunk that nobody signed was taken");
}

function checkDocument(text: string): void {
  const names = ["Delete", "CompleteMultipartUpload", "VersioningConfiguration"];
  const root = parseXml(text, names.find((name) => text.includes(name)) ?? "Delete");
  const visit = (one: XmlElement): void => {
    // What was read can be written, and is read as the same.
    const shown = one.text.toWellFormed().replace(/[\ufffe\uffff]/g, "\ufffd");
    assert.equal(parseXml(element("a", shown).text, "a").text, shown);
    for (const [, children] of one.children) children.forEach(visit);
  };
  visit(root);
  childText(root, "Status");
}

function checkRange(text: string): void {
  for (const size of [0, 1, 500, 2 ** 52]) {
    const range = parseRange(text, size);
    if (range === undefined) continue;
    assert.ok(range.first >= 0 && range.first <= range.last && range.last < size);
  }
  parseCopyRange(text, 500);
}
