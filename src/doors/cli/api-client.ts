/** The API of the node that runs on a data directory, as the commands of `freehold` use it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { NotRunning, noNodeIn } from "./not-running.ts";

/** File in the network's folder: the API's address, and below it the bearer token. */
export const API_COOKIE = ".api-cookie";

/** The node answered that it cannot, or that the request makes no sense; the text is for the user. */
export class ApiRefusal extends Error {
  override readonly name = "ApiRefusal";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What the API says of a sharing process that is on its way. */
const STARTING = /^the sharing process is starting\b/;
/** Between two looks at it, ms. */
const GLANCE = 200;

interface Sent {
  readonly body?: RequestInit["body"];
  readonly type?: string;
  readonly signal?: AbortSignal;
}

type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export class ApiClient {
  /** `http://127.0.0.1:8420`. */
  readonly address: string;
  readonly #token: string;
  readonly #folder: string | undefined;
  readonly #patience: number;

  /**
   * @param folder of the node's network, for texts
   * @param patience how long to wait for a sharing process that starts, ms
   */
  constructor(address: string, token: string, folder?: string, patience = 0) {
    this.address = address;
    this.#token = token;
    this.#folder = folder;
    this.#patience = patience;
  }

  /** The client for the node of a network's folder. @throws NotRunning when none wrote its cookie there */
  static of(folder: string, patience = 0): ApiClient {
    let text: string;
    try {
      text = readFileSync(join(folder, API_COOKIE), "utf8");
    } catch {
      throw noNodeIn(folder);
    }
    const [address = "", token = ""] = text.split("\n");
    return new ApiClient(address, token, folder, patience);
  }

  /**
   * @param path below `/api`, such as `/wallet/balance`
   * @throws NotRunning, ApiRefusal. `T` is what the OpenAPI document says of the path.
   */
  get<T>(path: string, query: Query = {}): Promise<T> {
    return this.#ask<T>("GET", withQuery(path, query));
  }

  post<T>(path: string, body: object = {}): Promise<T> {
    return this.#ask<T>("POST", path, JSON.stringify(body), "application/json");
  }

  delete<T>(path: string, query: Query = {}): Promise<T> {
    return this.#ask<T>("DELETE", withQuery(path, query));
  }

  /** Sends bytes, such as a scene for a job. */
  upload<T>(path: string, query: Query, bytes: Uint8Array): Promise<T> {
    return this.#ask<T>("POST", withQuery(path, query), bytes, "application/octet-stream");
  }

  /** Fetches bytes, such as a picture. */
  async download(path: string): Promise<Uint8Array> {
    return new Uint8Array(await (await this.#fetch("GET", path)).arrayBuffer());
  }

  /** What happens from now on, until the signal aborts or the node ends. */
  async *events<E extends { readonly type: string }>(signal: AbortSignal): AsyncIterable<E> {
    const response = await this.#fetch("GET", "/events", { signal });
    let text = "";
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        text += decoder.decode(chunk, { stream: true });
        for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
          const block = text.slice(0, end);
          text = text.slice(end + 2);
          if (block.startsWith("data: ")) yield JSON.parse(block.slice("data: ".length)) as E;
        }
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #ask<T>(method: string, path: string, body?: string | Uint8Array, type?: string): Promise<T> {
    const response = await this.#fetch(method, path, {
      ...(body === undefined ? {} : { body: body as RequestInit["body"] }),
      ...(type === undefined ? {} : { type }),
    });
    const text = await response.text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** As the node answers; what the sharing process is asked waits while that process starts. */
  async #fetch(method: string, path: string, sent: Sent = {}): Promise<Response> {
    const until = performance.now() + this.#patience;
    for (;;) {
      try {
        return await this.#fetchOnce(method, path, sent);
      } catch (error) {
        const isStarting =
          error instanceof ApiRefusal && error.status === 503 && STARTING.test(error.message);
        if (!isStarting || performance.now() >= until) throw error;
      }
      await sleep(GLANCE);
    }
  }

  async #fetchOnce(method: string, path: string, { body, type, signal }: Sent): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${this.address}/api${path}`, {
        method,
        headers: {
          authorization: `Bearer ${this.#token}`,
          ...(type === undefined ? {} : { "content-type": type }),
        },
        ...(body === undefined ? {} : { body }),
        ...(signal === undefined ? {} : { signal }),
      });
    } catch (error) {
      if (signal?.aborted === true) throw error;
      // A node that was killed leaves its cookie behind.
      if (this.#folder !== undefined && isRefused(error)) throw noNodeIn(this.#folder);
      throw new NotRunning("The node does not answer: `freehold status` tells more.");
    }
    if (response.ok) return response;
    const text = await response.text();
    throw new ApiRefusal(
      response.status,
      errorIn(text) ?? `the node answered with HTTP status ${response.status}`,
    );
  }
}

function isRefused(error: unknown): boolean {
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "ECONNREFUSED";
}

function errorIn(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}

function withQuery(path: string, query: Query): string {
  const given = Object.entries(query).filter(
    (entry): entry is [string, string | number | boolean] => entry[1] !== undefined,
  );
  if (given.length === 0) return path;
  return `${path}?${new URLSearchParams(Object.fromEntries(given.map(([name, value]) => [name, String(value)])))}`;
}
