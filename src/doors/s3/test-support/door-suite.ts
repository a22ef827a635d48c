import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessCases } from "./access-cases.ts";
import { bodyCases } from "./body-cases.ts";
import { bucketCases } from "./bucket-cases.ts";
import { DoorUnderTest, expectError } from "./door-under-test.ts";
import { objectCases } from "./object-cases.ts";
import type { OpenDoor } from "./open-door.ts";
import { elementText } from "./s3-client.ts";
import { uploadCases } from "./upload-cases.ts";

/** What the door must do over any file store. */
export function doorSuite(name: string, open: () => Promise<OpenDoor>): void {
  describe(name, () => {
    const under = new DoorUnderTest();
    before(() => under.begin(open));
    after(() => under.end());
    bucketCases(under);
    objectCases(under);
    accessCases(under);
    uploadCases(under);
    refusalCases(under);
    // These come last: they move the door's clock away from the machine's, by which other programs sign.
    bodyCases(under);
  });
}

function refusalCases({ send, makeBucket }: DoorUnderTest): void {
  test("what is not done here says so", async () => {
    await makeBucket("limits");
    await send("PUT", "/limits/x", { body: "x" });
    for (const [method, path] of [
      ["PUT", "/limits?lifecycle"],
      ["PUT", "/limits?acl"],
      ["POST", "/limits?metadataTable"],
      ["PUT", "/limits/x?tagging"],
      ["POST", "/limits/x?restore"],
      ["POST", "/limits/x?select&select-type=2"],
      ["GET", "/limits/x?torrent"],
      ["DELETE", "/limits/x?partNumber=1"],
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
      const answer = await send("PUT", "/limits/y", { body: "y", headers: { [header]: value } });
      expectError(answer, status, code);
      if (code === "NotImplemented") assert.ok(elementText(answer.text, "Message")!.endsWith(`: ${header}`));
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
    assert.equal((await send("DELETE", "/limits/x?tagging")).status, 204);
    for (const path of ["/limits/x?legal-hold", "/limits/x?retention"]) {
      expectError(await send("GET", path), 400, "InvalidRequest");
    }
    for (const [method, what] of [
      ["DELETE", "tagging"],
      ["GET", "legal-hold"],
    ] as const) {
      expectError(await send(method, `/limits/none?${what}`), 404, "NoSuchKey");
    }
  });
}
