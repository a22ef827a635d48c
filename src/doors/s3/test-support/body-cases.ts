/** How bodies come in: digests, framing, clients that wait, break off or stall. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { test } from "node:test";
import { type DoorUnderTest, expectError, md5 } from "./door-under-test.ts";

export function bodyCases(under: DoorUnderTest): void {
  const { send, makeBucket } = under;

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
    for (const unknown of ["x-amz-checksum-md5", "x-amz-checksum-xxhash64"]) {
      const answer = await send("PUT", "/digests/unknown", { body, headers: { [unknown]: "AAAAAAAAAAA=" } });
      expectError(answer, 400, "InvalidRequest");
    }
    const named = { "x-amz-checksum-algorithm": "CRC32", "x-amz-checksum-type": "FULL_OBJECT" };
    assert.equal((await send("PUT", "/digests/named", { body, headers: named })).status, 200);
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

  test("a request line with the whole URL, and lines that are no HTTP", async () => {
    await makeBucket("absolute");
    await send("PUT", "/absolute/x", { body: "x" });
    const whole = await send("GET", "/absolute/x", {
      tamper: (signed) => {
        signed.path = `http://127.0.0.1:${under.door.port}${signed.path}`;
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
      const { status } = await under.door.client.raw("GET", target, {});
      assert.ok(status === 400 || status === 403, `${target}: ${status}`);
    }
    assert.equal((await send("GET", "/absolute/x")).text, "x");
  });

  /** Sends text over a bare connection and collects what comes until `enough`. */
  function talk(
    text: string,
    enough: (seen: string) => boolean,
    onSeen?: (seen: string, write: (more: string) => void) => void,
  ) {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connect(under.door.port, "127.0.0.1", () => socket.write(text));
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

    const stranger = `PUT /leave/y HTTP/1.1\r\nHost: 127.0.0.1:${under.door.port}\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`;
    const refused = await talk(stranger, () => false);
    assert.ok(refused.startsWith("HTTP/1.1 403"), refused);
    assert.match(refused, /connection: close/i);
  });

  test("a client refused in the middle of its body still reads why, and the connection goes on", async () => {
    const body = "x".repeat(3_000_000);
    const stranger = `PUT /nobody/y HTTP/1.1\r\nHost: 127.0.0.1:${under.door.port}\r\nContent-Length: ${body.length}\r\n\r\n`;
    const twice = await talk(
      stranger + body + stranger + body,
      (seen) => seen.split("AccessDenied").length > 2,
    );
    assert.equal(twice.split("HTTP/1.1 403").length, 3, twice.slice(0, 500));
  });

  test("a body that stops coming stores nothing and ends", async () => {
    const { clock } = under.door;
    // Nothing waits on it any more but what is to come.
    clock.advance(3_600_000);
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
    // The door waits on its own clock, which stands until it has heard the request: a signature grows old.
    while (clock.next === undefined) await new Promise((resolve) => setImmediate(resolve));
    let answer: string | undefined;
    void waiting.then((text) => {
      answer = text;
    });
    while (answer === undefined) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(100_000);
    }
    assert.match(answer, /RequestTimeout/);
    clock.advance(0);
    assert.equal((await under.door.files.list("stalls", { limit: 10 })).objects.length, 0);
  });
}
