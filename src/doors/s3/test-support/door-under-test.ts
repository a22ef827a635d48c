import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { OpenDoor } from "./open-door.ts";
import { elementText, type S3Answer, type S3Client } from "./s3-client.ts";

/** The door that all cases of a suite talk to. */
export class DoorUnderTest {
  #door: OpenDoor | undefined;

  /** Before the first case. */
  async begin(open: () => Promise<OpenDoor>): Promise<void> {
    this.#door = await open();
  }

  async end(): Promise<void> {
    await this.#door?.close();
  }

  get door(): OpenDoor {
    if (this.#door === undefined) throw new Error("the door is not open yet");
    return this.#door;
  }

  readonly send: S3Client["send"] = (method, path, call) => this.door.client.send(method, path, call);

  readonly makeBucket = async (name: string): Promise<string> => {
    assert.equal((await this.send("PUT", `/${name}`)).status, 200);
    return name;
  };
}

export function expectError(answer: S3Answer, status: number, code: string): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(elementText(answer.text, "Code"), code, answer.text);
  assert.match(answer.headers["x-amz-request-id"] as string, /^[0-9A-F]{16}$/);
  assert.equal(elementText(answer.text, "RequestId"), answer.headers["x-amz-request-id"]);
}

export function md5(bytes: Uint8Array | string): string {
  return createHash("md5").update(bytes).digest("hex");
}
