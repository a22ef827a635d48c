/** The examples of "Authenticating Requests (AWS Signature Version 4)", S3 API reference, with their own key and date. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeChunks } from "../aws-chunked.ts";
import { parseQuery } from "../uri.ts";
import { presign } from "./presign.ts";
import {
  canonicalRequest,
  EMPTY_SHA256,
  readHeaders,
  sha256Hex,
  signature,
  signingKey,
  stringToSign,
} from "./signing.ts";
import { verifyRequest } from "./verify.ts";

const CREDENTIALS = {
  accessKey: "AKIAIOSFODNN7EXAMPLE",
  secretKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
};
const TIMESTAMP = "20130524T000000Z";
const NOW = Date.parse("2013-05-24T00:00:00Z");
const SCOPE = { date: "20130524", region: "us-east-1" };
const OPTIONS = { credentials: [CREDENTIALS], region: "us-east-1", now: NOW };
const KEY = signingKey(CREDENTIALS.secretKey, SCOPE);

const EXAMPLES = [
  {
    name: "GET Object",
    method: "GET",
    path: "/test.txt",
    query: "",
    headers: ["range", "bytes=0-9", "x-amz-content-sha256", EMPTY_SHA256],
    payload: EMPTY_SHA256,
    canonical: "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
    signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
  },
  {
    name: "PUT Object",
    method: "PUT",
    path: "/test$file.text",
    query: "",
    headers: [
      "date",
      "Fri, 24 May 2013 00:00:00 GMT",
      "x-amz-content-sha256",
      sha256Hex(Buffer.from("Welcome to Amazon S3.")),
      "x-amz-storage-class",
      "REDUCED_REDUNDANCY",
    ],
    payload: sha256Hex(Buffer.from("Welcome to Amazon S3.")),
    canonical: "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
    signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
  },
  {
    name: "GET Bucket Lifecycle",
    method: "GET",
    path: "/",
    query: "lifecycle",
    headers: ["x-amz-content-sha256", EMPTY_SHA256],
    payload: EMPTY_SHA256,
    canonical: "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
    signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
  },
  {
    name: "Get Bucket (List Objects)",
    method: "GET",
    path: "/",
    query: "max-keys=2&prefix=J",
    headers: ["x-amz-content-sha256", EMPTY_SHA256],
    payload: EMPTY_SHA256,
    canonical: "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
    signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
  },
];

for (const example of EXAMPLES) {
  test(`header signature: ${example.name}`, () => {
    const headers = readHeaders([
      "Host",
      "examplebucket.s3.amazonaws.com",
      ...example.headers,
      "x-amz-date",
      TIMESTAMP,
    ]);
    const signedHeaders = [...headers.keys()].sort();
    const query = parseQuery(example.query);
    const canonical = canonicalRequest({
      ...example,
      query,
      headers,
      signedHeaders,
      payloadHash: example.payload,
    });
    assert.equal(sha256Hex(Buffer.from(canonical)), example.canonical);
    assert.equal(signature(KEY, stringToSign(TIMESTAMP, SCOPE, canonical)), example.signature);

    const authorization =
      `AWS4-HMAC-SHA256 Credential=${CREDENTIALS.accessKey}/20130524/us-east-1/s3/aws4_request,` +
      `SignedHeaders=${signedHeaders.join(";")},Signature=${example.signature}`;
    const request = { ...example, query, headers: new Map([...headers, ["authorization", authorization]]) };
    assert.equal(verifyRequest(request, OPTIONS).accessKey, CREDENTIALS.accessKey);
    const other = authorization.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
    assert.throws(
      () => verifyRequest({ ...request, headers: new Map([...headers, ["authorization", other]]) }, OPTIONS),
      { code: "SignatureDoesNotMatch" },
    );
  });
}

test("query signature: a presigned GET of a day", () => {
  // The example is in virtual-host style; the signature is over path `/test.txt`.
  const query = parseQuery(
    "X-Amz-Algorithm=AWS4-HMAC-SHA256" +
      "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
      "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
      "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
  );
  const headers = readHeaders(["Host", "examplebucket.s3.amazonaws.com"]);
  const request = { method: "GET", path: "/test.txt", query, headers };
  assert.equal(verifyRequest(request, OPTIONS).presigned, true);
  assert.equal(verifyRequest(request, { ...OPTIONS, now: NOW + 86_400_000 }).presigned, true);
  assert.throws(() => verifyRequest(request, { ...OPTIONS, now: NOW + 86_400_001 }), {
    code: "AccessDenied",
  });
  assert.throws(() => verifyRequest({ ...request, path: "/test.tx" }, OPTIONS), {
    code: "SignatureDoesNotMatch",
  });
});

test("a URL made here is good where it is verified, for its method, key and time alone", () => {
  const url = new URL(
    presign({
      method: "GET",
      endpoint: "http://127.0.0.1:9000",
      region: "us-east-1",
      credentials: CREDENTIALS,
      bucket: "photos",
      key: "a b/+ä*'(1).jpg",
      seconds: 60,
      now: NOW,
      query: [["response-content-disposition", 'attachment; filename="a b"']],
    }),
  );
  const request = {
    method: "GET",
    path: decodeURIComponent(url.pathname),
    query: parseQuery(url.search.slice(1)),
    headers: readHeaders(["host", url.host]),
  };
  assert.equal(request.path, "/photos/a b/+ä*'(1).jpg");
  assert.equal(verifyRequest(request, OPTIONS).presigned, true);
  for (const wrong of [
    { ...request, method: "PUT" },
    { ...request, headers: readHeaders(["host", "127.0.0.1:9001"]) },
    { ...request, query: request.query.filter(([name]) => !name.startsWith("response-")) },
  ]) {
    assert.throws(() => verifyRequest(wrong, OPTIONS), { code: "SignatureDoesNotMatch" });
  }
  assert.throws(() => verifyRequest(request, { ...OPTIONS, now: NOW + 60_001 }), {
    message: "Request has expired",
  });
  assert.throws(() => verifyRequest(request, { ...OPTIONS, now: NOW - 1_000_000 }), {
    message: "Request is not valid yet",
  });
});

/** 66,560 letters in chunks of 64 KiB, as both examples send them. */
function chunkedExample(signatures: readonly string[], trailer: string): Uint8Array {
  return Buffer.from(
    `10000;chunk-signature=${signatures[0]}\r\n${"a".repeat(65_536)}\r\n` +
      `400;chunk-signature=${signatures[1]}\r\n${"a".repeat(1024)}\r\n` +
      `0;chunk-signature=${signatures[2]}\r\n${trailer}`,
  );
}

const SIGNED_CHUNKS = {
  seed: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
  chunks: [
    "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
    "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
    "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
  ],
};
const SIGNED_TRAILER = {
  seed: "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
  chunks: [
    "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
    "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
    "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
  ],
  trailer:
    "x-amz-checksum-crc32c:sOO8/Q==\r\n" +
    "x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
};

async function decode(
  bytes: Uint8Array,
  seed: string,
  trailers: readonly string[] | undefined,
  piece: number,
) {
  async function* source() {
    for (let at = 0; at < bytes.length; at += piece) yield bytes.subarray(at, at + piece);
  }
  const signing = { key: KEY, timestamp: TIMESTAMP, scope: SCOPE, seed };
  let found: ReadonlyMap<string, string> | undefined;
  let size = 0;
  const framing = { signing, ...(trailers !== undefined && { trailers }) };
  for await (const part of decodeChunks(source(), framing, (seen) => {
    found = seen;
  })) {
    size += part.length;
  }
  return { size, trailers: found };
}

test("chunk signatures: the example, however the bytes come in", async () => {
  const bytes = chunkedExample(SIGNED_CHUNKS.chunks, "\r\n");
  for (const piece of [13, 1000, 65_536, 1_000_000]) {
    assert.equal((await decode(bytes, SIGNED_CHUNKS.seed, undefined, piece)).size, 66_560);
  }
});

test("chunk signatures: any changed byte of data or signature is found", async () => {
  const bytes = chunkedExample(SIGNED_CHUNKS.chunks, "\r\n");
  for (const at of [30, 88, 40_000, 65_650, 65_720, 66_700, 66_760]) {
    const changed = Uint8Array.from(bytes);
    changed[at] = changed[at]! === 0x61 ? 0x62 : 0x61;
    await assert.rejects(decode(changed, SIGNED_CHUNKS.seed, undefined, 4096), {
      code: "SignatureDoesNotMatch",
    });
  }
  await assert.rejects(decode(bytes.subarray(0, -100), SIGNED_CHUNKS.seed, undefined, 4096), {
    code: "IncompleteBody",
  });
});

test("trailer signatures: the example, and a trailer that was changed, dropped or added", async () => {
  const announced = ["x-amz-checksum-crc32c"];
  const good = chunkedExample(SIGNED_TRAILER.chunks, SIGNED_TRAILER.trailer);
  const { size, trailers } = await decode(good, SIGNED_TRAILER.seed, announced, 100);
  assert.equal(size, 66_560);
  assert.deepEqual([...trailers!], [["x-amz-checksum-crc32c", "sOO8/Q=="]]);
  const cases: [string, string][] = [
    [SIGNED_TRAILER.trailer.replace("sOO8", "sOO9"), "SignatureDoesNotMatch"],
    [SIGNED_TRAILER.trailer.replace("signature:d8", "signature:d9"), "SignatureDoesNotMatch"],
    ["x-amz-checksum-crc32c:sOO8/Q==\r\n\r\n", "SignatureDoesNotMatch"],
    ["\r\n", "MalformedTrailerError"],
    [`x-amz-meta-a:b\r\n${SIGNED_TRAILER.trailer}`, "MalformedTrailerError"],
    [`${"\r\n".repeat(40)}${SIGNED_TRAILER.trailer}`, "MalformedTrailerError"],
    [`x:${"a".repeat(2000)}\r\n`, "IncompleteBody"],
  ];
  for (const [trailer, code] of cases) {
    const bytes = chunkedExample(SIGNED_TRAILER.chunks, trailer);
    await assert.rejects(decode(bytes, SIGNED_TRAILER.seed, announced, 333), { code });
  }
});
