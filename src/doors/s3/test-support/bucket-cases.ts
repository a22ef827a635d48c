/** Buckets, names, lists and versions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type DoorUnderTest, expectError } from "./door-under-test.ts";
import { REGION } from "./open-door.ts";
import { elementText, elementTexts } from "./s3-client.ts";

export function bucketCases(under: DoorUnderTest): void {
  const { send, makeBucket } = under;

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
    for (const name of ["paged-a", "paged-b", "paged-c"]) await makeBucket(name);
    const some = await send("GET", "/?prefix=paged-&max-buckets=2");
    assert.deepEqual(elementTexts(some.text, "Name"), ["paged-a", "paged-b"]);
    assert.equal(elementText(some.text, "Prefix"), "paged-");
    const token = encodeURIComponent(elementText(some.text, "ContinuationToken")!);
    const others = await send("GET", `/?prefix=paged-&max-buckets=2&continuation-token=${token}`);
    assert.deepEqual(elementTexts(others.text, "Name"), ["paged-c"]);
    assert.equal(elementText(others.text, "ContinuationToken"), undefined);
    assert.deepEqual(elementTexts((await send("GET", "/?bucket-region=eu-west-1")).text, "Name"), []);
    assert.deepEqual(
      elementTexts((await send("GET", `/?bucket-region=${REGION}&prefix=paged-c`)).text, "Name"),
      ["paged-c"],
    );
    for (const bad of ["max-buckets=0", "max-buckets=10001", "max-buckets=x", "continuation-token=%21"]) {
      expectError(await send("GET", `/?${bad}`), 400, "InvalidArgument");
    }
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

  test("settings that a bucket does not have read as unset, go away as if they had been, and cannot be set", async () => {
    await makeBucket("settings");
    for (const [setting, code] of [
      ["policy", "NoSuchBucketPolicy"],
      ["lifecycle", "NoSuchLifecycleConfiguration"],
      ["cors", "NoSuchCORSConfiguration"],
      ["website", "NoSuchWebsiteConfiguration"],
      ["tagging", "NoSuchTagSet"],
      ["encryption", "ServerSideEncryptionConfigurationNotFoundError"],
      ["replication", "ReplicationConfigurationNotFoundError"],
      ["publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"],
      ["ownershipControls", "OwnershipControlsNotFoundError"],
      ["object-lock", "ObjectLockConfigurationNotFoundError"],
    ] as const) {
      const answer = await send("GET", `/settings?${setting}`);
      expectError(answer, 404, code);
      assert.equal(elementText(answer.text, "BucketName"), "settings");
      if (setting === "object-lock")
        expectError(await send("DELETE", `/settings?${setting}`), 501, "NotImplemented");
      else assert.equal((await send("DELETE", `/settings?${setting}`)).status, 204);
    }
    expectError(await send("GET", "/settings?policyStatus"), 404, "NoSuchBucketPolicy");
    for (const [setting, content] of [
      ["notification", /<NotificationConfiguration [^>]*><\/NotificationConfiguration>$/],
      ["logging", /<BucketLoggingStatus [^>]*><\/BucketLoggingStatus>$/],
      ["accelerate", /<AccelerateConfiguration [^>]*><\/AccelerateConfiguration>$/],
      ["requestPayment", /<Payer>BucketOwner<\/Payer>/],
      ["versioning", /<VersioningConfiguration [^>]*><\/VersioningConfiguration>$/],
    ] as const) {
      const { status, text } = await send("GET", `/settings?${setting}`);
      assert.equal(status, 200, text);
      assert.match(text, content);
    }
    for (const setting of ["analytics", "intelligent-tiering", "inventory", "metrics"]) {
      const list = await send("GET", `/settings?${setting}`);
      assert.equal(list.status, 200, list.text);
      assert.equal(elementText(list.text, "IsTruncated"), "false");
      for (const method of ["GET", "DELETE"]) {
        expectError(await send(method, `/settings?${setting}&id=one`), 404, "NoSuchConfiguration");
      }
    }
    for (const setting of [
      "policy",
      "lifecycle",
      "object-lock",
      "logging",
      "requestPayment",
      "inventory&id=1",
    ]) {
      const refused = await send("PUT", `/settings?${setting}`, { body: "{}" });
      expectError(refused, 501, "NotImplemented");
      const [name] = setting.split("&");
      assert.match(
        elementText(refused.text, "Message")!,
        new RegExp(`Setting the ${name} .* nothing was changed`),
      );
    }
    for (const [method, setting] of [
      ["GET", "policy"],
      ["DELETE", "policy"],
      ["PUT", "policy"],
      ["GET", "logging"],
      ["GET", "metrics"],
    ] as const) {
      expectError(await send(method, `/no-such-settings?${setting}`), 404, "NoSuchBucket");
    }
  });

  test("virtual-host style names the same objects", async () => {
    await makeBucket("hosted.bucket");
    const host = `hosted.bucket.localhost:${under.door.port}`;
    assert.equal((await send("PUT", "/dir/x%20y", { host, body: "v" })).status, 200);
    assert.equal((await send("GET", "/hosted.bucket/dir/x%20y")).text, "v");
    assert.deepEqual(elementTexts((await send("GET", "/", { host })).text, "Key"), ["dir/x y"]);
    const id = elementText((await send("POST", "/dir/big?uploads", { host })).text, "UploadId")!;
    const part = await send("PUT", `/dir/big?partNumber=1&uploadId=${id}`, { host, body: "p" });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers.etag}</ETag></Part></CompleteMultipartUpload>`;
    const done = await send("POST", `/dir/big?uploadId=${id}`, { host, body });
    assert.equal(elementText(done.text, "Location"), `http://${host}/dir/big`);
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
    expectError(await under.door.client.raw("GET", "/odd/%ff", {}), 400, "InvalidURI");
    expectError(await under.door.client.raw("GET", "/odd/%zz", {}), 400, "InvalidURI");
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
    for (const method of ["GET", "DELETE"]) {
      expectError(await send(method, "/versions/x?versionId="), 400, "InvalidArgument");
    }
    assert.equal((await send("HEAD", "/versions/x?versionId=")).status, 400);
    const copy = { headers: { "x-amz-copy-source": "versions/x?versionId=" } };
    expectError(await send("PUT", "/versions/y", copy), 400, "InvalidArgument");
    const gone = await send("DELETE", "/versions/x");
    assert.equal(gone.headers["x-amz-delete-marker"], "true");
    const marker = gone.headers["x-amz-version-id"] as string;
    for (const method of ["GET", "HEAD"]) {
      const hidden = await send(method, "/versions/x");
      assert.equal(hidden.status, 404);
      assert.equal(hidden.headers["x-amz-delete-marker"], "true");
      assert.equal(hidden.headers["x-amz-version-id"], marker);
      const itself = await send(method, `/versions/x?versionId=${marker}`);
      assert.equal(itself.status, 405);
      assert.equal(itself.headers["x-amz-delete-marker"], "true");
      assert.equal(itself.headers.allow, "DELETE");
    }
    expectError(await send("GET", "/versions/x"), 404, "NoSuchKey");
    expectError(await send("GET", `/versions/x?versionId=${marker}`), 405, "MethodNotAllowed");
    const never = await send("GET", "/versions/x1");
    expectError(never, 404, "NoSuchKey");
    assert.equal(never.headers["x-amz-delete-marker"], undefined);
    await send("PUT", "/versions/x10", { body: "" });
    await send("DELETE", "/versions/x10");
    assert.equal((await send("GET", "/versions/x1")).headers["x-amz-delete-marker"], undefined);
    for (const { versionId } of (await under.door.files.listVersions("versions", { prefix: "x10", limit: 9 }))
      .objects) {
      await send("DELETE", `/versions/x10?versionId=${versionId}`);
    }
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
}
