/** Uploads in parts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type DoorUnderTest, expectError, md5 } from "./door-under-test.ts";
import { elementText, elementTexts } from "./s3-client.ts";

export function uploadCases(under: DoorUnderTest): void {
  const { send, makeBucket } = under;

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
    const right = completion([
      [1, etags[0]],
      [7, etags[1]],
    ]);
    const sized = (size: string) =>
      send("POST", `/parts/whole?uploadId=${id}`, { body: right, headers: { "x-amz-mp-object-size": size } });
    expectError(await sized(String(big.length)), 400, "InvalidRequest");
    expectError(await sized("many"), 400, "InvalidArgument");
    expectError(await send("GET", "/parts/whole"), 404, "NoSuchKey");
    const done = await sized(String(big.length + 3));
    assert.equal(done.status, 200, done.text);
    assert.match(elementText(done.text, "ETag")!, /^&quot;[0-9a-f]{32}-2&quot;$/);
    const get = await send("GET", "/parts/whole");
    assert.equal(get.bytes.length, big.length + 3);
    assert.equal(get.text.slice(-3), "234");
    assert.equal(get.headers["content-type"], "image/png");
    expectError(await finish(completion([[1, etags[0]]])), 404, "NoSuchUpload");

    const piece = await send("GET", "/parts/whole?partNumber=2");
    assert.deepEqual([piece.status, piece.text], [206, "234"]);
    assert.equal(piece.headers["content-range"], `bytes ${big.length}-${big.length + 2}/${big.length + 3}`);
    assert.equal(piece.headers["x-amz-mp-parts-count"], "2");
    assert.equal(piece.headers.etag, get.headers.etag);
    const first = await send("HEAD", "/parts/whole?partNumber=1");
    assert.equal(first.status, 206);
    assert.equal(first.headers["content-length"], String(big.length));
    expectError(await send("GET", "/parts/whole?partNumber=3"), 416, "InvalidPartNumber");
    assert.equal(get.headers["x-amz-mp-parts-count"], undefined);
    // A copy has the ETag of its source's parts, and the parts.
    const again = { "x-amz-copy-source": "parts/whole", "x-amz-metadata-directive": "REPLACE" };
    assert.equal((await send("PUT", "/parts/copy", { headers: again })).status, 200);
    assert.equal((await send("GET", "/parts/copy?partNumber=2")).text, "234");
    const told = await send("GET", "/parts/whole?attributes", {
      headers: { "x-amz-object-attributes": "ETag,ObjectParts,ObjectSize,StorageClass,Checksum" },
    });
    assert.equal(`"${elementText(told.text, "ETag")}"`, get.headers.etag);
    assert.equal(elementText(told.text, "PartsCount"), "2");
    assert.equal(elementText(told.text, "ObjectSize"), String(big.length + 3));
    assert.equal(elementText(told.text, "StorageClass"), "STANDARD");
    for (const part of ["0", "10001", "x", ""]) {
      const other = await startUpload("/parts/n");
      expectError(
        await send("PUT", `/parts/n?partNumber=${part}&uploadId=${other}`, { body: "" }),
        400,
        "InvalidArgument",
      );
    }
  });

  test("a completion that is asked for again is answered as the first time, while what it made is there", async () => {
    await makeBucket("again");
    const enable = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    await makeBucket("again-kept");
    await send("PUT", "/again-kept?versioning", { body: enable });
    for (const path of ["/again/x", "/again-kept/x"]) {
      const id = await startUpload(path);
      const { headers } = await send("PUT", `${path}?partNumber=1&uploadId=${id}`, { body: "part" });
      const body = completion([[1, headers.etag!]]);
      const finish = (more: Record<string, string> = {}) =>
        send("POST", `${path}?uploadId=${id}`, {
          body,
          headers: { "If-None-Match": "*", "x-amz-mp-object-size": "4", ...more },
        });
      // A client that waited too long asks while the first request is still being worked on.
      const [first, second] = await Promise.all([finish(), finish()]);
      assert.equal(first.status, 200, first.text);
      const third = await finish();
      for (const again of [second, third]) {
        assert.equal(again.text, first.text);
        assert.equal(again.status, 200);
        assert.equal(again.headers["x-amz-version-id"], first.headers["x-amz-version-id"]);
      }
      const { text } = await send("GET", `${path.slice(0, -2)}?versions`);
      assert.equal(elementTexts(text, "Key").length, 1, text);
      expectError(await finish({ "x-amz-mp-object-size": "5" }), 400, "InvalidRequest");
      const others = completion([[1, md5("others")]]);
      expectError(await send("POST", `${path}?uploadId=${id}`, { body: others }), 404, "NoSuchUpload");
      expectError(await send("POST", `${path}y?uploadId=${id}`, { body }), 404, "NoSuchUpload");
      expectError(await send("DELETE", `${path}?uploadId=${id}`), 404, "NoSuchUpload");

      await send("PUT", path, { body: "another" });
      const late = await finish();
      if (path === "/again/x") expectError(late, 404, "NoSuchUpload");
      else assert.equal(late.text, first.text);
      assert.equal((await send("GET", path)).text, "another");
    }
    const given = await startUpload("/again/z");
    const { headers } = await send("PUT", `/again/z?partNumber=1&uploadId=${given}`, { body: "part" });
    await send("PUT", "/again/z", { body: "part" });
    await send("DELETE", `/again/z?uploadId=${given}`);
    const body = completion([[1, headers.etag!]]);
    expectError(await send("POST", `/again/z?uploadId=${given}`, { body }), 404, "NoSuchUpload");
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
}
