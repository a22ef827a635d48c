/** A plain HTTP client whose requests aws4 signs: another implementation than the one under test. */
import { type IncomingHttpHeaders, request as openRequest } from "node:http";
import aws4 from "aws4";
import type { S3Credentials } from "../credentials.ts";

export interface S3Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Uint8Array;
  readonly text: string;
}

export interface S3Call {
  readonly headers?: Record<string, string>;
  readonly body?: Uint8Array | string;
  /** Changed after signing. */
  readonly tamper?: (signed: { path: string; headers: Record<string, string> }) => void;
  /** Written instead of the body, piece by piece, once the request is open. */
  readonly pieces?: readonly Uint8Array[];
  readonly signQuery?: boolean;
  readonly host?: string;
}

export class S3Client {
  readonly #port: number;
  readonly #credentials: S3Credentials;
  readonly #region: string;
  readonly #now: () => number;

  constructor(options: { port: number; credentials: S3Credentials; region: string; now: () => number }) {
    this.#port = options.port;
    this.#credentials = options.credentials;
    this.#region = options.region;
    this.#now = options.now;
  }

  /** @param path as it is sent, with its query */
  send(method: string, path: string, call: S3Call = {}): Promise<S3Answer> {
    const body = typeof call.body === "string" ? new TextEncoder().encode(call.body) : call.body;
    const host = call.host ?? `127.0.0.1:${this.#port}`;
    const signed = aws4.sign(
      {
        service: "s3",
        region: this.#region,
        host,
        method,
        path,
        headers: { ...this.#dated(call.signQuery === true), ...call.headers },
        ...(body !== undefined && { body: Buffer.from(body) }),
        ...(call.signQuery === true && { signQuery: true }),
      },
      { accessKeyId: this.#credentials.accessKey, secretAccessKey: this.#credentials.secretKey },
    );
    if (body !== undefined) signed.headers["Content-Length"] ??= String(body.length);
    call.tamper?.(signed);
    return this.raw(method, signed.path, signed.headers, call.pieces ?? (body === undefined ? [] : [body]));
  }

  /** Sends what it is given, signed or not. */
  raw(
    method: string,
    path: string,
    headers: Record<string, string>,
    pieces: readonly Uint8Array[] = [],
  ): Promise<S3Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<S3Answer>();
    const call = openRequest({ host: "127.0.0.1", port: this.#port, method, path, headers }, (response) => {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes,
          text: bytes.toString("utf8"),
        });
      });
    });
    call.on("error", reject);
    for (const piece of pieces) call.write(piece);
    call.end();
    return promise;
  }

  /** aws4 takes the time from these, and else from the machine's clock. */
  #dated(inQuery: boolean): Record<string, string> {
    if (inQuery) return {};
    return { "X-Amz-Date": `${new Date(this.#now()).toISOString().slice(0, 19).replace(/[-:]/g, "")}Z` };
  }
}

/** The text of the first element called `name`; undefined where there is none. */
export function elementText(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}(?: [^>]*)?>([^<]*)</${name}>`).exec(xml)?.[1];
}

/** The texts of all elements called `name`, in order. */
export function elementTexts(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}(?: [^>]*)?>([^<]*)</${name}>`, "g"))].map(
    (found) => found[1]!,
  );
}
