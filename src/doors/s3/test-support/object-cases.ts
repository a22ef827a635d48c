/** Objects: reading, writing, copying, removing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { presign } from "../sigv4/presign.ts";
import { type DoorUnderTest, expectError, md5 } from "./door-under-test.ts";
import { CREDENTIALS, REGION } from "./open-door.ts";
import { elementText, elementTexts } from "./s3-client.ts";

export function objectCases(under: DoorUnderTest): void {
  const { send, makeBucket } = under;

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
    assert.equal(get.headers["x-amz-meta-colour"], "deep   blue");
    assert.equal(get.headers["accept-ranges"], "bytes");
    const age = under.door.clock.now() - Date.parse(get.headers["last-modified"]!);
    assert.ok(Math.abs(age) < 60_000, `modified ${age} ms ago`);
    const head = await send("HEAD", "/objects/a%20b/%C3%A4%2B'().txt");
    assert.equal(head.status, 200);
    assert.equal(head.headers["content-length"], get.headers["content-length"]);
    assert.equal(head.text, "");
    assert.equal((await send("DELETE", "/objects/a%20b/%C3%A4%2B'().txt")).status, 204);
    assert.equal((await send("DELETE", "/objects/a%20b/%C3%A4%2B'().txt")).status, 204);
    expectError(await send("GET", "/objects/a%20b/%C3%A4%2B'().txt"), 404, "NoSuchKey");
  });

  test("what is said of an object keeps every byte, blanks and those that look like one", async () => {
    await makeBucket("said");
    const { client, clock, port } = under.door;
    const endpoint = `http://127.0.0.1:${port}`;
    const where = { endpoint, region: REGION, credentials: CREDENTIALS, bucket: "said", key: "x" };
    const { pathname, search, host } = new URL(
      presign({ method: "PUT", ...where, seconds: 60, now: clock.now() }),
    );
    // In UTF-8 the last letter ends with A0, which alone would be a blank that does not break.
    const said = Buffer.from("attachment;  filename=a  b voilà", "utf8").toString("latin1");
    const headers = { Host: host, "Content-Length": "1", "Content-Disposition": said };
    const put = await client.raw("PUT", pathname + search, headers, [Buffer.from("x")]);
    assert.equal(put.status, 200, put.text);
    assert.equal((await send("HEAD", "/said/x")).headers["content-disposition"], said);
  });

  test("an object's type is told as it was given, of an empty one too", async () => {
    await makeBucket("types");
    for (const type of ["application/json", "text/plain", "none at all"]) {
      for (const body of ["", "{}"]) {
        await send("PUT", "/types/x", { body, headers: { "Content-Type": type } });
        for (const method of ["GET", "HEAD"]) {
          const { headers } = await send(method, "/types/x");
          assert.equal(headers["content-type"], type);
          assert.equal(headers["content-length"], String(body.length));
        }
      }
    }
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
      ["bytes=100-9223372036854775807", 100, 199_999],
      ["bytes=0-18446744073709551615", 0, 199_999],
      ["bytes=-9223372036854775807", 0, 199_999],
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
    for (const range of ["bytes=200000-", "bytes=9223372036854775807-", "bytes=-0"]) {
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

  test("an object of one piece is its own first part, and tells of its attributes what is asked", async () => {
    await makeBucket("pieces");
    await send("PUT", "/pieces/x", { body: "whole" });
    await send("PUT", "/pieces/empty", { body: "" });
    const part = await send("GET", "/pieces/x?partNumber=1");
    assert.deepEqual([part.status, part.text], [206, "whole"]);
    assert.equal(part.headers["content-range"], "bytes 0-4/5");
    assert.equal(part.headers["x-amz-mp-parts-count"], undefined);
    const head = await send("HEAD", "/pieces/x?partNumber=1");
    assert.deepEqual([head.status, head.headers["content-length"]], [206, "5"]);
    assert.equal((await send("HEAD", "/pieces/x?partNumber=2")).status, 416);
    expectError(await send("GET", "/pieces/x?partNumber=2"), 416, "InvalidPartNumber");
    expectError(await send("GET", "/pieces/x?partNumber=0"), 400, "InvalidArgument");
    const both = await send("GET", "/pieces/x?partNumber=1", { headers: { Range: "bytes=0-1" } });
    expectError(both, 400, "InvalidRequest");
    expectError(await send("GET", "/pieces/none?partNumber=1"), 404, "NoSuchKey");
    const empty = await send("GET", "/pieces/empty?partNumber=1");
    assert.deepEqual([empty.status, empty.text], [200, ""]);

    const ask = (wanted: string, key = "x") =>
      send("GET", `/pieces/${key}?attributes`, { headers: { "x-amz-object-attributes": wanted } });
    const some = await ask("ObjectSize, ETag");
    assert.equal(some.status, 200, some.text);
    assert.equal(elementText(some.text, "ETag"), md5("whole"));
    assert.equal(elementText(some.text, "ObjectSize"), "5");
    assert.equal(elementText(some.text, "StorageClass"), undefined);
    assert.equal(some.headers["last-modified"], head.headers["last-modified"]);
    assert.equal(elementText((await ask("ObjectParts")).text, "PartsCount"), undefined);
    expectError(await ask(""), 400, "InvalidRequest");
    expectError(await ask("ETag,Colour"), 400, "InvalidArgument");
    expectError(await ask("ETag", "none"), 404, "NoSuchKey");
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
    const bare = { ...source, "x-amz-metadata-directive": "REPLACE" };
    assert.equal((await send("PUT", "/copies/to", { headers: bare })).status, 200);
    const bared = (await send("HEAD", "/copies/to")).headers;
    assert.deepEqual([bared["content-type"], bared["x-amz-meta-a"]], ["binary/octet-stream", undefined]);
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
    const kept = await send("PUT", "/batch/kept", { body: "k" });
    assert.equal(kept.status, 200);
    const wrong = await send("POST", "/batch?delete", {
      body:
        "<Delete><Object><Key>kept</Key><VersionId></VersionId></Object>" +
        `<Object><Key>${"k".repeat(1025)}</Key></Object></Delete>`,
    });
    assert.deepEqual(elementTexts(wrong.text, "Code"), ["InvalidArgument", "KeyTooLongError"]);
    assert.ok(!wrong.text.includes("<Deleted>"), wrong.text);
    const falseSum = {
      body: "<Delete><Object><Key>kept</Key></Object></Delete>",
      headers: { "x-amz-checksum-crc32": "AAAAAA==" },
    };
    expectError(await send("POST", "/batch?delete", falseSum), 400, "BadDigest");
    assert.equal((await send("GET", "/batch/kept")).text, "k", "a list that came in wrong deletes nothing");
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
}
