/** One HTTP connection to a node's RPC port, as a command-line program needs it. */
import { request } from "node:http";
import { type Json, type JsonObject, stringify } from "#base/lib/json.ts";
import { parseExact } from "#base/lib/parse-json.ts";

export interface RpcEndpoint {
  readonly host: string;
  readonly port: number;
  /** `user:password`. */
  readonly login: string;
  /** `/`, or `/wallet/<name>`. */
  readonly path: string;
  /** Seconds to wait for an answer, 0 for ever. */
  readonly timeout: number;
  /** Why the login may be refused, for the user. */
  readonly refusal: string;
}

/** Nobody answered, or not yet. The text is for the user. */
export class ConnectionFailed extends Error {
  override readonly name = "ConnectionFailed";
}

/** An error that is neither an RPC error nor one of the connection, such as a wrong password. */
export class ServerRefused extends Error {
  override readonly name = "ServerRefused";
}

/** The login was not taken. */
export class LoginRefused extends ServerRefused {}

/** HTTP statuses that come with a JSON-RPC reply. */
const WITH_REPLY = [200, 400, 404, 500];
/** Longest that a timer can wait, in ms. */
const MAX_TIMER = 0x7fff_ffff;

/**
 * Sends a request object or a batch and returns the decoded reply, with numbers as they were written.
 * @throws ConnectionFailed, ServerRefused with Core's texts (bitcoin-cli.cpp, CallRPC)
 */
export async function callRpc(endpoint: RpcEndpoint, body: Json): Promise<Json> {
  const { status, text } = await post(endpoint, `${stringify(body)}\n`);
  if (status === 401) throw new LoginRefused(`Authorization failed: ${endpoint.refusal}`);
  if (status === 503) throw new ServerRefused(`Server response: ${text}`);
  if (status >= 400 && !WITH_REPLY.includes(status)) {
    throw new ServerRefused(`server returned HTTP error ${status}`);
  }
  if (text === "") throw new ServerRefused("no response from server");
  let reply: Json;
  try {
    reply = parseExact(text);
  } catch {
    throw new ServerRefused("couldn't parse reply from server");
  }
  if (typeof reply === "object" && reply !== null && Object.keys(reply).length > 0) return reply;
  throw new ServerRefused("expected reply to have result, error and id properties");
}

/** A JSON-RPC 2.0 request object. */
export function rpcRequest(method: string, params: Json, id: Json = 1): JsonObject {
  return { jsonrpc: "2.0", method, params, id };
}

function post(endpoint: RpcEndpoint, body: string): Promise<{ status: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const fail = (detail: string) =>
    reject(
      new ConnectionFailed(
        `Could not connect to the server ${endpoint.host}:${endpoint.port}${detail}\n\nMake sure the bitcoind server is running and that you are connecting to the correct RPC port.\nUse "bitcoin-cli -help" for more info.`,
      ),
    );
  const call = request(
    {
      host: endpoint.host,
      port: endpoint.port,
      path: endpoint.path,
      method: "POST",
      agent: false,
      headers: {
        Connection: "close",
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(body),
        Authorization: `Basic ${Buffer.from(endpoint.login).toString("base64")}`,
      },
    },
    (response) => {
      const chunks: Uint8Array[] = [];
      response.on("data", (chunk: Uint8Array) => chunks.push(chunk));
      response.on("error", () => fail(EOF));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
      );
    },
  );
  if (endpoint.timeout > 0) {
    call.setTimeout(Math.min(MAX_TIMER, endpoint.timeout * 1000), () => {
      fail(' (error code 0 - "timeout reached")');
      call.destroy();
    });
  }
  call.on("error", (error: NodeJS.ErrnoException) => {
    const isClosed = ["ECONNRESET", "EPIPE", "HPE_INVALID_CONSTANT"].includes(error.code ?? "");
    fail(isClosed ? EOF : "");
  });
  call.end(body);
  return promise;
}

/** What libevent says of a connection that ends, or never begins. */
const EOF = ' (error code 1 - "EOF reached")';
