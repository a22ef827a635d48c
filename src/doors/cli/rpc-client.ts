/** One HTTP connection to a node's RPC port, as a command-line program needs it. */
import { request } from "node:http";
import { type Json, type JsonObject, parseExact, stringify } from "#base/lib/json.ts";

export interface RpcEndpoint {
  readonly host: string;
  readonly port: number;
  /** `user:password`. */
  readonly login: string;
  /** `/`, or `/wallet/<name>`. */
  readonly path: string;
  /** Seconds to wait for an answer, 0 for ever. */
  readonly timeout: number;
}

/** Nobody answered, or the answer is not one of JSON-RPC. The text is for the user. */
export class ConnectionFailed extends Error {
  override readonly name = "ConnectionFailed";
}

/** The node answered with an HTTP error that waiting will not mend. */
export class ServerRefused extends Error {
  override readonly name = "ServerRefused";
}

/** Sends a request object or a batch and returns the decoded reply, with numbers as they were written. */
export async function callRpc(endpoint: RpcEndpoint, body: Json, credentialsHint: string): Promise<Json> {
  const { status, text } = await post(endpoint, stringify(body));
  if (status === 401) throw new ServerRefused(credentialsHint);
  if (status === 503) throw new ServerRefused(`Server response: ${text}`);
  if (status >= 400 && status !== 400 && status !== 404 && status !== 500) {
    throw new ServerRefused(`server returned HTTP error ${status}`);
  }
  if (text === "") throw new ServerRefused("no response from server");
  try {
    return parseExact(text);
  } catch {
    throw new ServerRefused("couldn't parse reply from server");
  }
}

/** A JSON-RPC 2.0 request object. */
export function rpcRequest(method: string, params: Json, id: Json = 1): JsonObject {
  return { jsonrpc: "2.0", method, params, id };
}

function post(endpoint: RpcEndpoint, body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
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
        response.on("error", () => fail(' (error code 1 - "EOF reached")'));
        response.on("end", () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
        );
      },
    );
    if (endpoint.timeout > 0)
      call.setTimeout(endpoint.timeout * 1000, () => call.destroy(new Error("timeout reached")));
    call.on("error", (error: NodeJS.ErrnoException) => {
      if (error.message === "timeout reached") fail(' (error code 0 - "timeout reached")');
      else if (error.code === "ECONNRESET") fail(' (error code 1 - "EOF reached")');
      else fail("");
    });
    call.end(body);
  });
}
