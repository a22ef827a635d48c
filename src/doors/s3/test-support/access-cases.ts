/** Who is let in: signatures, signed addresses, other pages, other machines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createS3Server } from "../server.ts";
import { MAX_SKEW } from "../sigv4/verify.ts";
import { type DoorUnderTest, expectError } from "./door-under-test.ts";
import { CREDENTIALS, ORIGIN, REGION } from "./open-door.ts";
import { elementText, S3Client } from "./s3-client.ts";

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

export function accessCases(under: DoorUnderTest): void {
  const { send, makeBucket } = under;

  test("who is let in", async () => {
    await makeBucket("doors");
    await send("PUT", "/doors/x", { body: "x" });
    expectError(await under.door.client.raw("GET", "/doors/x", {}), 403, "AccessDenied");
    for (const signed of ["AWSAccessKeyId=a&Expires=9999999999&Signature=b", "Signature=b"]) {
      const old = await under.door.client.raw("GET", `/doors/x?${signed}`, {});
      expectError(old, 400, "InvalidRequest");
      assert.match(old.text, /Please use AWS4-HMAC-SHA256/);
    }
    const with_ = (
      credentials: typeof CREDENTIALS,
      now: () => number = () => under.door.clock.now(),
      region = REGION,
    ) => new S3Client({ port: under.door.port, credentials, region, now });
    const stranger = with_({ ...CREDENTIALS, accessKey: "AKIAI44QH8DHBEXAMPLE" });
    expectError(await stranger.send("GET", "/doors/x"), 403, "InvalidAccessKeyId");
    const guesser = with_({ ...CREDENTIALS, secretKey: "wrong" });
    const refused = await guesser.send("GET", "/doors/x");
    expectError(refused, 403, "SignatureDoesNotMatch");
    assert.ok(!refused.text.includes(CREDENTIALS.secretKey));
    for (const offset of [-MAX_SKEW - 1000, MAX_SKEW + 1000]) {
      const late = with_(CREDENTIALS, () => under.door.clock.now() + offset);
      expectError(await late.send("GET", "/doors/x"), 403, "RequestTimeTooSkewed");
    }
    for (const offset of [-MAX_SKEW + 2000, MAX_SKEW - 2000]) {
      const near = with_(CREDENTIALS, () => under.door.clock.now() + offset);
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
      await under.door.client.raw("GET", "/doors/x", { authorization: "AWS AKIA:abc=" }),
      400,
      "InvalidRequest",
    );
    for (const header of [
      "AWS4-HMAC-SHA256",
      "AWS4-HMAC-SHA256 Credential=a",
      `AWS4-HMAC-SHA256 ${"a=b,".repeat(50)}`,
    ]) {
      expectError(
        await under.door.client.raw("GET", "/doors/x", { authorization: header }),
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
    // What no header can carry could never be told again.
    for (const odd of ["a%20b=1", "%C3%A4=1", "a=1%0D%0ASet-Cookie%3A%20x", "a=%7F"]) {
      const url = `/links/odd?X-Amz-Expires=60&x-amz-meta-${odd}`;
      expectError(await send("PUT", url, { signQuery: true, body: "h" }), 400, "InvalidArgument");
      expectError(await send("GET", "/links/odd"), 404, "NoSuchKey");
    }
  });

  test("only the page that was handed in may read answers, by either name of this machine", async () => {
    await makeBucket("pages");
    const preflight = (origin: string) =>
      under.door.client.raw("OPTIONS", "/pages/x", {
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
      files: under.door.files,
      credentials: [CREDENTIALS],
      region: REGION,
      clock: under.door.clock,
      log: { info() {}, warn() {}, error() {}, debug() {} },
      corsOrigins: [],
      baseDomains: [],
    });
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.org"]) {
      await assert.rejects(other.listen({ host, port: 0 }), /speaks plain HTTP/);
    }
    await other.close();
  });
}
