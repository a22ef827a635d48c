import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { createS3Server } from "../server.ts";
import { MAX_SKEW } from "../sigv4/verify.ts";
import { CREDENTIALS, type OpenDoor, ORIGIN, REGION } from "./open-door.ts";
import { elementText, elementTexts, type S3Answer, S3Client } from "./s3-client.ts";

/** Pages that are not the node's own, however much they look like it. */
const FOREIGN = [
  "http://evil.example",
  "http://127.0.0.1:8421",
  "http://localhost:8421",
  "http://localhost",
  "https://localhost:8420",
  "http://127.0.0.2:8420",
  "http://localhost.evil.example:8420",
  "http://x.localhost:8420",
  "null",
];

/** What the door must do over any file store. */
export function doorSuite(name: string, open: () => Promise<OpenDoor>): void {
  describe(name, () => {
    suite(open);
  });
}

function expectError(answer: S3Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(elementText(answer.text, "Code"), code, answer.text);
  assert.match(answer.headers["x-amz-request-id"] as string, /^[0-9A-F]{16}$/);
  assert.equal(elementText(answer.text, "RequestId"), answer.headers["x-amz-request-id"]);
}

function md5(bytes: Uint8Array | string): string {
  return createHash("md5").update(bytes).digest("hex");
}

function suite(open: () => Promise<OpenDoor>): void {
  let door: OpenDoor;
  let send: S3Client["send"];

  before(async () => {
    door = await open();
    send = (method, path, call) => door.client.send(method, path, call);
  });
  after(() => door.close());

  async function makeBucket(name: string): Promise<string> {
    assert.equal((await send("PUT", `/${name}`)).status, 200);
    return name;
  }

  test("buckets: make, look, list, place, remove, and what is refused", async () => {
    await makeBucket("first-bucket");
    expectError(await send("PUT", "/first-bucket"), 409, "BucketAlreadyOwnedByYou");
    expectError(await send("PUT", "/Bad_Name"), 400, "InvalidBucketName");
    const head = await send("HEAD", "/first-bucket");
    assert.equal(head.status, 200);
    assert.equal(head.headers["x-amz-bucket-region"], REGION);
    assert.equal((await send("HEAD", "/no-such")).status, 404);
    const list = await send("GET", "/");
    assert.ok(elementTexts(list.text, "Name").includes("first-bucket"));
    assert.match(elementText(list.text, "CreationDate")!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(elementText((await send("GET", "/first-bucket?location")).text, "LocationConstraint"), "");
    const elsewhere =
      "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    expectError(await send("PUT", "/second", { body: elsewhere }), 400, "IllegalLocationConstraintException");
    await send("PUT", "/first-bucket/x", { body: "x" });
    expectError(await send("DELETE", "/first-bucket"), 409, "BucketNotEmpty");
    await send("DELETE", "/first-bucket/x");
    assert.equal((await send("DELETE", "/first-bucket")).status, 204);
    expectError(await send("GET", "/first-bucket"), 404, "NoSuchBucket");
  });

  test("an object comes back with its bytes and all that was said of it", async () => {
    await makeBucket("objects");
    const body = "Grüße, Freehold";
    const put = await send("PUT", "/objects/a%20b/%C3%A4%2B%27%28%29.txt", {
      body,
      headers: {
        "Content-Type": "text/plain; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Disposition": 'attachment; filename="x"',
        "Content-Language": "de",
        "Content-Encoding": "identity",
        Expires: "Thu, 01 Jan 2099 00:00:00 GMT",
        "x-amz-meta-Colour": "  deep   blue ",
      },
    });
    assert.equal(put.status, 200, put.text);
    assert.equal(put.headers.etag, `"${md5(body)}"`);
    const get = await send("GET", "/objects/a%20b/%C3%A4+%27()%2Etxt".replace("+", "%2B"));
    assert.equal(get.status, 200, get.text);
    assert.equal(get.text, body);
    assert.equal(get.headers["content-length"], String(Buffer.byteLength(body)));
    assert.equal(get.headers["content-type"], "text/plain; charset=utf-8");
    assert.equal(get.headers["cache-control"], "no-cache");
    assert.equal(get.headers["content-disposition"], 'attachment; filename="x"');
    assert.equal(get.headers["content-language"], "de");
    assert.equal(get.headers["content-encoding"], "identity");
    assert.equal(get.headers["expires"], "Thu, 01 Jan 2099 00:00:00 GMT");
    assert.equal(get.headers["x-amz-meta-colour"], "deep blue");
    assert.equal(get.headers["accept-ranges"], "bytes");
    const age = door.clock.now() - Date.parse(get.headers["last-modified"]!);
    assert.ok(Math.abs(age) < 60_000, `modified ${age} ms ago`);
    const head = await send("HEAD", "/objects/a%20b/%C3%A4%2B'().txt");
    assert.equal(head.status, 200);
    assert.equal(head.headers["content-length"], get.headers["content-length"]);
    assert.equal(head.text, "");
    assert.equal((await send("DELETE", "/objects/a%20b/%C3%A4%2B'().txt")).status, 204);
    assert.equal((await send("DELETE", "/objects/a%20b/%C3%A4%2B'().txt")).status, 204);
    expectError(await send("GET", "/objects/a%20b/%C3%A4%2B'().txt"), 404, "NoSuchKey");
  });

  test("overrides of a response are taken, and cannot smuggle headers", async () => {
    await makeBucket("overrides");
    await send("PUT", "/overrides/x", { body: "x" });
    const get = await send(
      "GET",
      "/overrides/x?response-content-type=text%2Fcss&response-content-disposition=attachment%3B%20filename%3D%22%C3%A4%22",
    );
    assert.equal(get.headers["content-type"], "text/css");
    assert.equal(
      Buffer.from(get.headers["content-disposition"]!, "latin1").toString(),
      'attachment; filename="ä"',
    );
    expectError(
      await send("GET", "/overrides/x?response-content-type=a%0D%0ASet-Cookie%3A%20x"),
      400,
      "InvalidArgument",
    );
  });

  test("ranges: first, last, open, too far, several, none", async () => {
    await makeBucket("ranges");
    const bytes = Uint8Array.from({ length: 200_000 }, (_, i) => i % 251);
    await send("PUT", "/ranges/x", { body: bytes });
    const ask = (range: string) => send("GET", "/ranges/x", { headers: { Range: range } });
    const cases: [string, number, number][] = [
      ["bytes=0-0", 0, 0],
      ["bytes=100-70000", 100, 70_000],
      ["bytes=199999-", 199_999, 199_999],
      ["bytes=-10", 199_990, 199_999],
      ["bytes=-999999", 0, 199_999],
      ["bytes=5-999999", 5, 199_999],
    ];
    for (const [range, first, last] of cases) {
      const answer = await ask(range);
      assert.equal(answer.status, 206, range);
      assert.equal(answer.headers["content-range"], `bytes ${first}-${last}/200000`);
      assert.ok(Buffer.from(bytes.subarray(first, last + 1)).equals(answer.bytes), range);
      const head = await send("HEAD", "/ranges/x", { headers: { Range: range } });
      assert.equal(head.status, 206);
      assert.equal(head.headers["content-length"], String(last - first + 1));
    }
    for (const range of ["bytes=200000-", "bytes=-0"]) {
      const answer = await ask(range);
      expectError(answer, 416, "InvalidRange");
      assert.equal(answer.headers["content-range"], "bytes */200000");
    }
    for (const range of ["bytes=5-4", "lines=0-1", "bytes=0-1,4-5", "bytes=-", "bytes=x"]) {
      assert.equal((await ask(range)).status, 200, range);
    }
    await send("PUT", "/ranges/empty", { body: "" });
    assert.equal((await send("GET", "/ranges/empty")).text, "");
    expectError(await send("GET", "/ranges/empty", { headers: { Range: "bytes=0-" } }), 416, "InvalidRange");
    const etag = `"${md5(bytes)}"`;
    const ifRange = (value: string) =>
      send("GET", "/ranges/x", { headers: { Range: "bytes=0-1", "If-Range": value } });
    assert.equal((await ifRange(etag)).status, 206);
    assert.equal((await ifRange('"other"')).status, 200);
  });

  test("conditional reads", async () => {
    await makeBucket("conditions");
    const { headers } = await send("PUT", "/conditions/x", { body: "x" });
    const etag = headers.etag!;
    const modified = Date.parse((await send("HEAD", "/conditions/x")).headers["last-modified"]!);
    const at = (offset: number) => new Date(modified + offset).toUTCString();
    const cases: [Record<string, string>, number][] = [
      [{ "If-Match": etag }, 200],
      [{ "If-Match": "*" }, 200],
      [{ "If-Match": '"no", "nor"' }, 412],
      [{ "If-None-Match": etag }, 304],
      [{ "If-None-Match": `"no", W/${etag}` }, 304],
      [{ "If-None-Match": '"no"' }, 200],
      [{ "If-Modified-Since": at(0) }, 304],
      [{ "If-Modified-Since": at(-5000) }, 200],
      [{ "If-Unmodified-Since": at(0) }, 200],
      [{ "If-Unmodified-Since": at(-5000) }, 412],
      // The ETag decides where both are given (RFC 9110 section 13.2.2).
      [{ "If-Match": etag, "If-Unmodified-Since": at(-5000) }, 200],
      [{ "If-None-Match": '"no"', "If-Modified-Since": at(0) }, 200],
      [{ "If-Modified-Since": "yesterday" }, 200],
    ];
    for (const [condition, status] of cases) {
      for (const method of ["GET", "HEAD"]) {
        const answer = await send(method, "/conditions/x", { headers: condition });
        assert.equal(answer.status, status, `${method} ${JSON.stringify(condition)}`);
        if (status === 304) {
          assert.equal(answer.headers.etag, etag);
          assert.equal(answer.text, "");
        }
      }
    }
  });

  test("conditional writes", async () => {
    await makeBucket("guarded");
    const create = { body: "1", headers: { "If-None-Match": "*" } };
    const first = await send("PUT", "/guarded/x", create);
    assert.equal(first.status, 200);
    expectError(await send("PUT", "/guarded/x", create), 412, "PreconditionFailed");
    const replace = { body: "2", headers: { "If-Match": first.headers.etag! } };
    assert.equal((await send("PUT", "/guarded/x", replace)).status, 200);
    expectError(await send("PUT", "/guarded/x", replace), 412, "PreconditionFailed");
    assert.equal((await send("GET", "/guarded/x")).text, "2");
    expectError(
      await send("PUT", "/guarded/x", { body: "3", headers: { "If-None-Match": '"a"' } }),
      501,
      "NotImplemented",
    );
  });

  test("digests that are false store nothing, true ones are told back", async () => {
    await makeBucket("digests");
    const body = "123456789";
    const right = {
      crc32: "y/Q5Jg==",
      crc32c: "4waSgw==",
      crc64nvme: "rosUhgp5mIg=",
      sha1: "98O8HYCOBHMq32eZZczDTKeuNEE=",
    };
    for (const [name, value] of Object.entries(right)) {
      const header = `x-amz-checksum-${name}`;
      const good = await send("PUT", `/digests/${name}`, { body, headers: { [header]: value } });
      assert.equal(good.status, 200, good.text);
      assert.equal(good.headers[header], value);
      const bad = value.replace(/^./, (letter) => (letter === "y" ? "z" : "y"));
      expectError(
        await send("PUT", `/digests/${name}-bad`, { body, headers: { [header]: bad } }),
        400,
        "BadDigest",
      );
      expectError(await send("GET", `/digests/${name}-bad`), 404, "NoSuchKey");
      expectError(
        await send("PUT", "/digests/x", { body, headers: { [header]: "AA==" } }),
        400,
        "InvalidRequest",
      );
    }
    const digest = Buffer.from(md5(body), "hex").toString("base64");
    assert.equal(
      (await send("PUT", "/digests/md5", { body, headers: { "Content-MD5": digest } })).status,
      200,
    );
    const wrong = Buffer.from(md5("other"), "hex").toString("base64");
    expectError(
      await send("PUT", "/digests/m", { body, headers: { "Content-MD5": wrong } }),
      400,
      "BadDigest",
    );
    expectError(
      await send("PUT", "/digests/m", { body, headers: { "Content-MD5": "abc" } }),
      400,
      "InvalidDigest",
    );
    const false256 = createHash("sha256").update("other").digest("hex");
    const headers = { "X-Amz-Content-Sha256": false256 };
    expectError(await send("PUT", "/digests/m", { body, headers }), 400, "XAmzContentSHA256Mismatch");
    expectError(await send("GET", "/digests/m"), 404, "NoSuchKey");
  });

  test("chunked bodies with a trailer: unframed, checked, the framing not stored", async () => {
    await makeBucket("chunked");
    const put = (key: string, trailer: string, length = 9) =>
      send("PUT", `/chunked/${key}`, {
        headers: {
          "X-Amz-Content-Sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
          "Content-Encoding": "aws-chunked,gzip",
          "x-amz-trailer": "x-amz-checksum-crc32",
          "x-amz-decoded-content-length": String(length),
        },
        pieces: [
          Buffer.from("4\r\n1234\r\n5\r\n567"),
          Buffer.from(`89\r\n0\r\nx-amz-checksum-crc32:${trailer}\r\n\r\n`),
        ],
      });
    const good = await put("x", "y/Q5Jg==");
    assert.equal(good.status, 200, good.text);
    assert.equal(good.headers["x-amz-checksum-crc32"], "y/Q5Jg==");
    const get = await send("GET", "/chunked/x");
    assert.equal(get.text, "123456789");
    assert.equal(get.headers["content-encoding"], "gzip");
    expectError(await put("bad", "AAAAAA=="), 400, "BadDigest");
    expectError(await put("short", "y/Q5Jg==", 10), 400, "IncompleteBody");
    expectError(await put("long", "y/Q5Jg==", 8), 400, "IncompleteBody");
    for (const key of ["bad", "short", "long"]) {
      expectError(await send("GET", `/chunked/${key}`), 404, "NoSuchKey");
    }
  });

  test("who is let in", async () => {
    await makeBucket("doors");
    await send("PUT", "/doors/x", { body: "x" });
    expectError(await door.client.raw("GET", "/doors/x", {}), 403, "AccessDenied");
    const with_ = (
      credentials: typeof CREDENTIALS,
      now: () => number = () => door.clock.now(),
      region = REGION,
    ) => new S3Client({ port: door.port, credentials, region, now });
    const stranger = with_({ ...CREDENTIALS, accessKey: "AKIAI44QH8DHBEXAMPLE" });
    expectError(await stranger.send("GET", "/doors/x"), 403, "InvalidAccessKeyId");
    const guesser = with_({ ...CREDENTIALS, secretKey: "wrong" });
    const refused = await guesser.send("GET", "/doors/x");
    expectError(refused, 403, "SignatureDoesNotMatch");
    assert.ok(!refused.text.includes(CREDENTIALS.secretKey));
    for (const offset of [-MAX_SKEW - 1000, MAX_SKEW + 1000]) {
      const late = with_(CREDENTIALS, () => door.clock.now() + offset);
      expectError(await late.send("GET", "/doors/x"), 403, "RequestTimeTooSkewed");
    }
    for (const offset of [-MAX_SKEW + 2000, MAX_SKEW - 2000]) {
      const near = with_(CREDENTIALS, () => door.clock.now() + offset);
      assert.equal((await near.send("GET", "/doors/x")).status, 200);
    }
    const abroad = await with_(CREDENTIALS, undefined, "eu-west-1").send("GET", "/doors/x");
    expectError(abroad, 400, "AuthorizationHeaderMalformed");
    assert.equal(elementText(abroad.text, "Region"), REGION);
    const tampered: [string, (signed: { path: string; headers: Record<string, string> }) => void, string][] =
      [
        [
          "path",
          (signed) => {
            signed.path = "/doors/y";
          },
          "SignatureDoesNotMatch",
        ],
        [
          "query",
          (signed) => {
            signed.path += "?versionId=null";
          },
          "SignatureDoesNotMatch",
        ],
        [
          "unsigned",
          (signed) => {
            signed.headers["x-amz-meta-a"] = "b";
          },
          "AccessDenied",
        ],
      ];
    for (const [what, tamper, code] of tampered) {
      expectError(await send("GET", "/doors/x", { tamper }), 403, code);
      assert.ok(what);
    }
    expectError(
      await door.client.raw("GET", "/doors/x", { authorization: "AWS AKIA:abc=" }),
      400,
      "InvalidRequest",
    );
    for (const header of [
      "AWS4-HMAC-SHA256",
      "AWS4-HMAC-SHA256 Credential=a",
      `AWS4-HMAC-SHA256 ${"a=b,".repeat(50)}`,
    ]) {
      expectError(
        await door.client.raw("GET", "/doors/x", { authorization: header }),
        400,
        "AuthorizationHeaderMalformed",
      );
    }
    expectError(
      await send("GET", "/doors/x", { headers: { "x-amz-security-token": "t" } }),
      400,
      "InvalidToken",
    );
  });

  test("signed URLs of another implementation, to read and to write", async () => {
    // aws4 dates a URL by the machine's clock, from which this door's has not moved.
    await makeBucket("links");
    const put = await send("PUT", "/links/a%20b?X-Amz-Expires=60", { signQuery: true, body: "by link" });
    assert.equal(put.status, 200, put.text);
    const get = await send("GET", "/links/a%20b?X-Amz-Expires=60&response-content-type=text%2Fplain", {
      signQuery: true,
    });
    assert.equal(get.text, "by link");
    assert.equal(get.headers["content-type"], "text/plain");
    for (const [seconds, code] of [
      ["0", "AuthorizationQueryParametersError"],
      ["604801", "AuthorizationQueryParametersError"],
    ] as const) {
      expectError(await send("GET", `/links/a%20b?X-Amz-Expires=${seconds}`, { signQuery: true }), 400, code);
    }
    const hoisted = await send("PUT", "/links/h?X-Amz-Expires=60&x-amz-meta-tone=loud", {
      signQuery: true,
      body: "h",
    });
    assert.equal(hoisted.status, 200, hoisted.text);
    assert.equal((await send("HEAD", "/links/h")).headers["x-amz-meta-tone"], "loud");
  });

  test("a request line with the whole URL, and lines that are no HTTP", async () => {
    await makeBucket("absolute");
    await send("PUT", "/absolute/x", { body: "x" });
    const whole = await send("GET", "/absolute/x", {
      tamper: (signed) => {
        signed.path = `http://127.0.0.1:${door.port}${signed.path}`;
      },
    });
    assert.equal(whole.text, "x");
    for (const garbage of [
      "\x16\x03\x01\x02\x00",
      "GET\r\n\r\n",
      `GET /${"a".repeat(100_000)} HTTP/1.1\r\n\r\n`,
    ]) {
      const answer = await talk(garbage.padEnd(16, "\0"), () => false);
      assert.match(answer, /^(HTTP\/1\.1 4\d\d |$)/);
    }
    for (const target of ["*", "//", "/?&&=&", "/%00", "/..%2f..%2fetc"]) {
      const { status } = await door.client.raw("GET", target, {});
      assert.ok(status === 400 || status === 403, `${target}: ${status}`);
    }
    assert.equal((await send("GET", "/absolute/x")).text, "x");
  });

  test("virtual-host style names the same objects", async () => {
    await makeBucket("hosted.bucket");
    const host = `hosted.bucket.localhost:${door.port}`;
    assert.equal((await send("PUT", "/dir/x%20y", { host, body: "v" })).status, 200);
    assert.equal((await send("GET", "/hosted.bucket/dir/x%20y")).text, "v");
    assert.deepEqual(elementTexts((await send("GET", "/", { host })).text, "Key"), ["dir/x y"]);
  });

  test("keys keep every slash, dot and odd letter", async () => {
    await makeBucket("odd");
    const keys = [
      "/lead",
      "a//b",
      "a/./b",
      "a/../b",
      "end/",
      "~*'()!",
      "a=b&c",
      "😀",
      "%2F",
      "a\u0001b",
      "+",
    ];
    for (const key of keys) {
      const path = `/odd/${encodeURIComponent(key).replaceAll("%2F", "/").replace("%25/", "%252F")}`;
      assert.equal((await send("PUT", path, { body: key })).status, 200, key);
      assert.equal((await send("GET", path)).text, key);
    }
    const list = await send("GET", "/odd?list-type=2&encoding-type=url");
    const listed = elementTexts(list.text, "Key").map(decodeURIComponent);
    assert.deepEqual(listed.toSorted(), keys.toSorted());
    expectError(await send("PUT", `/odd/${"k".repeat(1025)}`, { body: "" }), 400, "KeyTooLongError");
    assert.equal((await send("PUT", `/odd/${"k".repeat(1024)}`, { body: "" })).status, 200);
    expectError(await door.client.raw("GET", "/odd/%ff", {}), 400, "InvalidURI");
    expectError(await door.client.raw("GET", "/odd/%zz", {}), 400, "InvalidURI");
  });

  test("listing pages, rolls up, and starts where it is told", async () => {
    await makeBucket("lists");
    const keys = ["a", "b/1", "b/2", "b/c/3", "d", "e/4", "f&<>\"'"];
    for (const key of keys) await send("PUT", `/lists/${encodeURIComponent(key)}`, { body: key });
    const read = async (query: string) => {
      const { text, status } = await send("GET", `/lists?${query}`);
      assert.equal(status, 200, text);
      const prefixes = [...text.matchAll(/<CommonPrefixes><Prefix>([^<]*)</g)].map((found) => found[1]);
      return { text, keys: elementTexts(text, "Key"), prefixes, truncated: elementText(text, "IsTruncated") };
    };
    const all = await read("list-type=2");
    assert.deepEqual(all.keys, [...keys.slice(0, -1), "f&amp;&lt;&gt;&quot;'"]);
    assert.equal(elementText(all.text, "KeyCount"), "7");
    const rolled = await read("list-type=2&delimiter=%2F");
    assert.deepEqual(rolled.keys.slice(0, 2), ["a", "d"]);
    assert.deepEqual(rolled.prefixes, ["b/", "e/"]);
    assert.deepEqual((await read("list-type=2&delimiter=%2F&prefix=b%2F")).prefixes, ["b/c/"]);
    assert.deepEqual((await read("list-type=2&start-after=b%2F2")).keys.slice(0, 2), ["b/c/3", "d"]);

    for (const style of ["list-type=2", ""]) {
      for (const delimiter of ["", "&delimiter=%2F"]) {
        const seen: string[] = [];
        let marker = "";
        for (let pages = 0; ; pages++) {
          assert.ok(pages < 10);
          const page = await read(`${style}${delimiter}&max-keys=1${marker}`);
          const entries = [...page.keys, ...page.prefixes];
          assert.ok(entries.length <= 1);
          seen.push(...entries.map(String));
          if (page.truncated !== "true") break;
          const v1Next = elementText(page.text, "NextMarker") ?? entries[0];
          marker =
            style === ""
              ? `&marker=${encodeURIComponent(v1Next!)}`
              : `&continuation-token=${elementText(page.text, "NextContinuationToken")}`;
        }
        const expected = delimiter === "" ? all.keys : ["a", "b/", "d", "e/", all.keys[6]];
        assert.deepEqual(seen, expected, `${style}${delimiter}`);
      }
    }
    const none = await read("list-type=2&max-keys=0");
    assert.deepEqual([none.keys, none.truncated], [[], "false"]);
    expectError(await send("GET", "/lists?list-type=2&max-keys=-1"), 400, "InvalidArgument");
    expectError(await send("GET", "/lists?list-type=2&continuation-token=%21"), 400, "InvalidArgument");
    expectError(await send("GET", "/lists?list-type=3"), 400, "InvalidArgument");
    expectError(await send("GET", "/lists?encoding-type=base64"), 400, "InvalidArgument");
  });

  test("versions: kept, listed, read, removed for good, hidden by markers", async () => {
    await makeBucket("versions");
    await send("PUT", "/versions/x", { body: "0" });
    assert.equal(elementText((await send("GET", "/versions?versioning")).text, "Status"), undefined);
    const enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    assert.equal((await send("PUT", "/versions?versioning", { body: enable })).status, 200);
    assert.equal(elementText((await send("GET", "/versions?versioning")).text, "Status"), "Enabled");
    const first = (await send("PUT", "/versions/x", { body: "1" })).headers["x-amz-version-id"] as string;
    const second = (await send("PUT", "/versions/x", { body: "2" })).headers["x-amz-version-id"] as string;
    assert.notEqual(first, second);
    assert.equal((await send("GET", `/versions/x?versionId=${first}`)).text, "1");
    assert.equal((await send("GET", "/versions/x?versionId=null")).text, "0");
    expectError(await send("GET", "/versions/x?versionId=no"), 404, "NoSuchVersion");
    const gone = await send("DELETE", "/versions/x");
    assert.equal(gone.headers["x-amz-delete-marker"], "true");
    const marker = gone.headers["x-amz-version-id"] as string;
    expectError(await send("GET", "/versions/x"), 404, "NoSuchKey");
    expectError(await send("GET", `/versions/x?versionId=${marker}`), 405, "MethodNotAllowed");
    const list = await send("GET", "/versions?versions");
    assert.deepEqual(elementTexts(list.text, "VersionId"), [marker, second, first, "null"]);
    assert.deepEqual(elementTexts(list.text, "IsLatest"), ["true", "false", "false", "false"]);
    assert.equal([...list.text.matchAll(/<DeleteMarker>/g)].length, 1);

    const paged: string[] = [];
    let from = "";
    for (let pages = 0; pages < 10; pages++) {
      const { text } = await send("GET", `/versions?versions&max-keys=1${from}`);
      paged.push(...elementTexts(text, "VersionId"));
      if (elementText(text, "IsTruncated") !== "true") break;
      from = `&key-marker=${elementText(text, "NextKeyMarker")}&version-id-marker=${elementText(text, "NextVersionIdMarker")}`;
    }
    assert.deepEqual(paged, [marker, second, first, "null"]);

    assert.equal(
      (await send("DELETE", `/versions/x?versionId=${marker}`)).headers["x-amz-delete-marker"],
      "true",
    );
    assert.equal((await send("GET", "/versions/x")).text, "2");
    assert.equal((await send("DELETE", `/versions/x?versionId=${second}`)).status, 204);
    assert.equal((await send("GET", "/versions/x")).text, "1");
    expectError(await send("GET", "/versions?versions&version-id-marker=a"), 400, "InvalidArgument");
  });

  test("copies, with the source's attributes or new ones, under conditions", async () => {
    await makeBucket("copies");
    const { headers } = await send("PUT", "/copies/from%20here", {
      body: "copied",
      headers: { "Content-Type": "text/plain", "x-amz-meta-a": "1" },
    });
    const source = { "x-amz-copy-source": "/copies/from%20here" };
    const copy = await send("PUT", "/copies/to", { headers: source });
    assert.equal(copy.status, 200, copy.text);
    assert.equal(elementText(copy.text, "ETag"), `&quot;${md5("copied")}&quot;`);
    const get = await send("GET", "/copies/to");
    assert.deepEqual(
      [get.text, get.headers["content-type"], get.headers["x-amz-meta-a"]],
      ["copied", "text/plain", "1"],
    );
    const replace = { ...source, "x-amz-metadata-directive": "REPLACE", "x-amz-meta-b": "2" };
    await send("PUT", "/copies/to", { headers: replace });
    const replaced = await send("HEAD", "/copies/to");
    assert.deepEqual([replaced.headers["x-amz-meta-a"], replaced.headers["x-amz-meta-b"]], [undefined, "2"]);
    expectError(await send("PUT", "/copies/from%20here", { headers: source }), 400, "InvalidRequest");
    const unless = { ...source, "x-amz-copy-source-if-none-match": headers.etag! };
    expectError(await send("PUT", "/copies/to", { headers: unless }), 412, "PreconditionFailed");
    const only = { ...source, "x-amz-copy-source-if-match": '"no"' };
    expectError(await send("PUT", "/copies/to", { headers: only }), 412, "PreconditionFailed");
    expectError(
      await send("PUT", "/copies/to", { headers: { "x-amz-copy-source": "copies" } }),
      400,
      "InvalidArgument",
    );
    expectError(
      await send("PUT", "/copies/to", { headers: { "x-amz-copy-source": "copies/no" } }),
      404,
      "NoSuchKey",
    );
  });

  test("many objects are deleted at once, each with its outcome", async () => {
    await makeBucket("batch");
    for (const key of ["a", "b&<", " c ", "d"])
      await send("PUT", `/batch/${encodeURIComponent(key)}`, { body: key });
    const document =
      "<Delete xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Object><Key>a</Key></Object>" +
      "<Object><Key>b&amp;&#60;</Key><VersionId>null</VersionId></Object><Object><Key> c </Key></Object>" +
      "<Object><Key>never-there</Key></Object></Delete>";
    const answer = await send("POST", "/batch?delete", { body: document });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(elementTexts(answer.text, "Key"), ["a", "b&amp;&lt;", " c ", "never-there"]);
    assert.deepEqual(elementTexts((await send("GET", "/batch")).text, "Key"), ["d"]);
    const quiet = await send("POST", "/batch?delete", {
      body: "<Delete><Quiet>true</Quiet><Object><Key>d</Key></Object></Delete>",
    });
    assert.ok(!quiet.text.includes("<Deleted>"));
    const many = (count: number) => `<Delete>${"<Object><Key>k</Key></Object>".repeat(count)}</Delete>`;
    assert.equal((await send("POST", "/batch?delete", { body: many(1000) })).status, 200);
    for (const bad of [
      "",
      "<Delete/>",
      many(1001),
      "<Delete><Object/></Delete>",
      "<Other/>",
      "<Delete>",
      "no xml",
    ]) {
      expectError(await send("POST", "/batch?delete", { body: bad }), 400, "MalformedXML");
    }
    const bomb = '<!DOCTYPE d [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>';
    expectError(await send("POST", "/batch?delete", { body: bomb }), 400, "MalformedXML");
    const nested = `<Delete>${"<a>".repeat(50_000)}${"</a>".repeat(50_000)}</Delete>`;
    expectError(await send("POST", "/batch?delete", { body: nested }), 400, "MalformedXML");
    expectError(
      await send("POST", "/batch?delete", { body: " ".repeat(8 * 1024 * 1024 + 1) }),
      400,
      "MaxMessageLengthExceeded",
    );
  });

  async function startUpload(path: string): Promise<string> {
    const { text, status } = await send("POST", `${path}?uploads`, {
      headers: { "Content-Type": "image/png" },
    });
    assert.equal(status, 200, text);
    return elementText(text, "UploadId")!;
  }

  function completion(parts: readonly (readonly [number, string])[]): string {
    const list = parts.map(
      ([part, etag]) => `<Part><ETag>${etag}</ETag><PartNumber>${part}</PartNumber></Part>`,
    );
    return `<CompleteMultipartUpload>${list.join("")}</CompleteMultipartUpload>`;
  }

  test("an object is put together from parts", async () => {
    await makeBucket("parts");
    const id = await startUpload("/parts/whole");
    const big = new Uint8Array(5 * 1024 * 1024).fill(1);
    const put = (part: number, body: Uint8Array | string) =>
      send("PUT", `/parts/whole?partNumber=${part}&uploadId=${id}`, { body });
    const one = await put(1, big);
    assert.equal(one.status, 200, one.text);
    await send("PUT", "/parts/source", { body: "0123456789" });
    const copied = await send("PUT", `/parts/whole?partNumber=7&uploadId=${id}`, {
      headers: { "x-amz-copy-source": "parts/source", "x-amz-copy-source-range": "bytes=2-4" },
    });
    assert.equal(copied.status, 200, copied.text);
    const etags = [one.headers.etag!, elementText(copied.text, "ETag")!] as const;

    const list = await send("GET", `/parts/whole?uploadId=${id}&max-parts=1`);
    assert.deepEqual(elementTexts(list.text, "PartNumber"), ["1"]);
    assert.equal(elementText(list.text, "IsTruncated"), "true");
    const rest = await send("GET", `/parts/whole?uploadId=${id}&part-number-marker=1`);
    assert.deepEqual(elementTexts(rest.text, "PartNumber"), ["7"]);
    assert.equal(elementText(rest.text, "IsTruncated"), "false");
    assert.equal(elementText(rest.text, "Size"), "3");

    const finish = (body: string, path = "/parts/whole") => send("POST", `${path}?uploadId=${id}`, { body });
    const swapped = completion([
      [7, etags[1]],
      [1, etags[0]],
    ]);
    expectError(await finish(swapped), 400, "InvalidPartOrder");
    expectError(await finish(completion([[1, '"no"']])), 400, "InvalidPart");
    expectError(await finish(completion([[0, "a"]])), 400, "InvalidArgument");
    expectError(await finish(completion([])), 400, "MalformedXML");
    expectError(await finish(completion([[1, etags[0]]]), "/parts/other"), 404, "NoSuchUpload");
    await put(2, "small");
    const small = completion([
      [2, `"${md5("small")}"`],
      [7, etags[1]],
    ]);
    expectError(await finish(small), 400, "EntityTooSmall");
    const done = await finish(
      completion([
        [1, etags[0]],
        [7, etags[1]],
      ]),
    );
    assert.equal(done.status, 200, done.text);
    assert.match(elementText(done.text, "ETag")!, /^&quot;[0-9a-f]{32}-2&quot;$/);
    const get = await send("GET", "/parts/whole");
    assert.equal(get.bytes.length, big.length + 3);
    assert.equal(get.text.slice(-3), "234");
    assert.equal(get.headers["content-type"], "image/png");
    expectError(await finish(completion([[1, etags[0]]])), 404, "NoSuchUpload");
    for (const part of ["0", "10001", "x", ""]) {
      const other = await startUpload("/parts/n");
      expectError(
        await send("PUT", `/parts/n?partNumber=${part}&uploadId=${other}`, { body: "" }),
        400,
        "InvalidArgument",
      );
    }
  });

  test("open uploads are listed with their prefixes, and given up", async () => {
    await makeBucket("uploads");
    const ids = new Map<string, string>();
    for (const key of ["a", "dir/1", "dir/2", "z"]) ids.set(key, await startUpload(`/uploads/${key}`));
    const list = await send("GET", "/uploads?uploads&delimiter=%2F");
    assert.deepEqual(elementTexts(list.text, "Key"), ["a", "z"]);
    assert.match(list.text, /<CommonPrefixes><Prefix>dir\/<\/Prefix><\/CommonPrefixes>/);
    const keys: string[] = [];
    let from = "";
    for (let pages = 0; pages < 10; pages++) {
      const { text } = await send("GET", `/uploads?uploads&max-uploads=1${from}`);
      keys.push(...elementTexts(text, "Key"));
      if (elementText(text, "IsTruncated") !== "true") break;
      from = `&key-marker=${encodeURIComponent(elementText(text, "NextKeyMarker")!)}&upload-id-marker=${elementText(text, "NextUploadIdMarker")}`;
    }
    assert.deepEqual(keys, ["a", "dir/1", "dir/2", "z"]);
    assert.equal((await send("DELETE", `/uploads/a?uploadId=${ids.get("a")}`)).status, 204);
    expectError(await send("DELETE", `/uploads/a?uploadId=${ids.get("a")}`), 404, "NoSuchUpload");
    expectError(await send("DELETE", `/uploads/a?uploadId=${ids.get("z")}`), 404, "NoSuchUpload");
  });

  test("what is not done here says so", async () => {
    await makeBucket("limits");
    await send("PUT", "/limits/x", { body: "x" });
    for (const [method, path] of [
      ["GET", "/limits?policy"],
      ["PUT", "/limits?lifecycle"],
      ["GET", "/limits?cors"],
      ["PUT", "/limits/x?tagging"],
      ["POST", "/limits/x?restore"],
      ["POST", "/limits/x?select&select-type=2"],
      ["GET", "/limits/x?torrent"],
      ["GET", "/limits/x?partNumber=1"],
      ["POST", "/limits"],
      ["PUT", "/limits?versions"],
      ["PATCH", "/limits/x"],
    ] as const) {
      expectError(await send(method, path), 501, "NotImplemented");
    }
    for (const [header, value, code, status] of [
      ["x-amz-acl", "public-read", "NotImplemented", 501],
      ["x-amz-storage-class", "GLACIER", "InvalidStorageClass", 400],
      ["x-amz-server-side-encryption-customer-algorithm", "AES256", "NotImplemented", 501],
      ["x-amz-tagging", "a=b", "NotImplemented", 501],
      ["x-amz-object-lock-mode", "GOVERNANCE", "NotImplemented", 501],
      ["x-amz-expected-bucket-owner", "123456789012", "AccessDenied", 403],
      ["x-amz-meta-big", "m".repeat(2048), "MetadataTooLarge", 400],
    ] as const) {
      expectError(await send("PUT", "/limits/y", { body: "y", headers: { [header]: value } }), status, code);
    }
    expectError(await send("GET", "/limits/y"), 404, "NoSuchKey");
    expectError(await send("DELETE", "/"), 405, "MethodNotAllowed");
    const unsized = await send("PUT", "/limits/y", {
      headers: { "Transfer-Encoding": "chunked", "X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD" },
      pieces: [Buffer.from("a")],
    });
    expectError(unsized, 411, "MissingContentLength");
    const huge = { headers: { "Content-Length": String(6 * 1024 ** 3), Expect: "100-continue" } };
    expectError(await send("PUT", "/limits/y", huge), 400, "EntityTooLarge");
    assert.match((await send("GET", "/limits?acl")).text, /FULL_CONTROL/);
    assert.match((await send("GET", "/limits/x?tagging")).text, /<TagSet><\/TagSet>/);
  });

  test("only the page that was handed in may read answers, by either name of this machine", async () => {
    await makeBucket("pages");
    const preflight = (origin: string) =>
      door.client.raw("OPTIONS", "/pages/x", {
        origin,
        "access-control-request-method": "PUT",
        "access-control-request-headers": "content-type, x-amz-meta-a",
      });
    const allowed = await preflight(ORIGIN);
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers["access-control-allow-origin"], ORIGIN);
    assert.equal(allowed.headers["access-control-allow-headers"], "content-type, x-amz-meta-a");
    assert.match(allowed.headers["access-control-allow-methods"]!, /PUT/);
    const byName = "http://localhost:8420";
    assert.equal((await preflight(byName)).headers["access-control-allow-origin"], byName);
    for (const origin of FOREIGN) {
      const foreign = await preflight(origin);
      expectError(foreign, 403, "AccessForbidden");
      assert.equal(foreign.headers["access-control-allow-origin"], undefined, origin);
    }
    const put = await send("PUT", "/pages/x", { body: "x", headers: { Origin: ORIGIN } });
    assert.equal(put.headers["access-control-allow-origin"], ORIGIN);
    assert.match(put.headers["access-control-expose-headers"]!, /etag/);
    for (const origin of FOREIGN) {
      const other = await send("GET", "/pages/x", { headers: { Origin: origin } });
      assert.equal(other.headers["access-control-allow-origin"], undefined, origin);
    }
  });

  test("the door listens on this machine alone", async () => {
    const other = createS3Server({
      files: door.files,
      credentials: [CREDENTIALS],
      region: REGION,
      clock: door.clock,
      log: { info() {}, warn() {}, error() {}, debug() {} },
      corsOrigins: [],
      baseDomains: [],
    });
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.org"]) {
      await assert.rejects(other.listen({ host, port: 0 }), /speaks plain HTTP/);
    }
    await other.close();
  });

  /** Sends text over a bare connection and collects what comes until `enough`. */
  function talk(
    text: string,
    enough: (seen: string) => boolean,
    onSeen?: (seen: string, write: (more: string) => void) => void,
  ) {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect(door.port, "127.0.0.1", () => socket.write(text));
    let seen = "";
    socket.on("data", (data) => {
      seen += data.toString("latin1");
      onSeen?.(seen, (more) => socket.write(more));
      if (enough(seen)) {
        socket.destroy();
        resolve(seen);
      }
    });
    // A reset is an end like any other.
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(seen));
    return promise;
  }

  test("a client that waits for leave gets it only when it may come in", async () => {
    await makeBucket("leave");
    let request = "";
    const headersOf = (signed: { path: string; headers: Record<string, string> }) => {
      request = `PUT ${signed.path} HTTP/1.1\r\n${Object.entries(signed.headers)
        .map(([name, value]) => `${name}: ${value}\r\n`)
        .join("")}\r\n`;
    };
    // Signed once over HTTP, then sent again by hand with Expect, which no signature covers.
    await send("PUT", "/leave/x", { body: "hello", tamper: headersOf });
    const expecting = request.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let sent = false;
    const answer = await talk(
      expecting,
      (seen) => seen.includes("200 OK"),
      (seen, write) => {
        if (!sent && seen.startsWith("HTTP/1.1 100 Continue")) {
          sent = true;
          write("hello");
        }
      },
    );
    assert.ok(answer.startsWith("HTTP/1.1 100 Continue"), answer);
    assert.match(answer, /HTTP\/1\.1 200 OK/);

    const stranger = `PUT /leave/y HTTP/1.1\r\nHost: 127.0.0.1:${door.port}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
    const refused = await talk(stranger, () => false);
    assert.ok(refused.startsWith("HTTP/1.1 403"), refused);
    assert.match(refused, /connection: close/i);
  });

  test("a client refused in the middle of its body still reads why, and the connection goes on", async () => {
    const body = "x".repeat(3_000_000);
    const stranger = `PUT /nobody/y HTTP/1.1\r\nHost: 127.0.0.1:${door.port}\r\nContent-Length: ${body.length}\r\n\r\n`;
    const twice = await talk(
      stranger + body + stranger + body,
      (seen) => seen.split("AccessDenied").length > 2,
    );
    assert.equal(twice.split("HTTP/1.1 403").length, 3, twice.slice(0, 500));
  });

  test("a body that stops coming stores nothing and ends", async () => {
    await makeBucket("stalls");
    let request = "";
    await send("PUT", "/stalls/x", {
      body: "hello",
      tamper: (signed) => {
        request = `PUT /stalls/x HTTP/1.1\r\n${Object.entries(signed.headers)
          .map(([name, value]) => `${name}: ${value}\r\n`)
          .join("")}\r\n`;
      },
    });
    await send("DELETE", "/stalls/x");
    const waiting = talk(`${request}hel`, (seen) => seen.includes("</Error>"));
    // The door waits on its own clock; moved on until it has heard the request.
    let answer: string | undefined;
    void waiting.then((text) => {
      answer = text;
    });
    while (answer === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      door.clock.advance(100_000);
    }
    assert.match(answer, /RequestTimeout/);
    door.clock.advance(0);
    assert.equal((await door.files.list("stalls", { limit: 10 })).objects.length, 0);
  });
}
