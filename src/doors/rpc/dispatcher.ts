/**
 * JSON-RPC 1.x and 2.0 over decoded text: what comes in as a body goes out as a body and an HTTP status. Rules
 * and texts are Core's (rpc/request.cpp, httprpc.cpp): legacy replies carry both `result` and `error` and errors
 * change the HTTP status; 2.0 replies carry one of them and are always 200, 204 for notifications.
 */

import { type Json, type JsonObject, stringify } from "#base/lib/json.ts";
import { bindArguments, type RpcCall, type RpcMethod, typeName } from "./method.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

export interface RpcReply {
  readonly status: number;
  /** JSON text with a newline, empty for 204. */
  readonly body: string;
}

/** A call being served, for getrpcinfo. */
export interface ActiveCall {
  readonly method: string;
  /** Milliseconds of the monotonic clock at its start. */
  readonly since: number;
}

export interface Caller {
  readonly wallet: string | undefined;
  readonly user: string;
  readonly signal: AbortSignal;
  /** Whether this user may call the method (-rpcwhitelist). */
  allows(method: string): boolean;
}

interface Request {
  readonly version: 1 | 2;
  /** `undefined` for a 2.0 notification. */
  readonly id: Json | undefined;
  readonly method: string;
  readonly params: Json;
}

/** Holds the methods and answers requests. Until {@link ready} every call is answered with −28 and the status text. */
export class RpcDispatcher<Context> {
  readonly #methods = new Map<string, RpcMethod<Context>>();
  readonly #context: Context;
  readonly #active = new Set<ActiveCall>();
  /** What start-up is doing, for error −28; undefined once calls are taken. */
  warmup: string | undefined = "RPC server started";

  constructor(context: Context, methods: readonly RpcMethod<Context>[]) {
    this.#context = context;
    for (const method of methods) {
      if (this.#methods.has(method.name)) throw new Error(`RPC method ${method.name} is declared twice`);
      this.#methods.set(method.name, method);
    }
  }

  get methods(): ReadonlyMap<string, RpcMethod<Context>> {
    return this.#methods;
  }

  get active(): readonly ActiveCall[] {
    return [...this.#active];
  }

  /** Answers one HTTP body: a request, or a batch of them. */
  async answer(body: string, caller: Caller): Promise<RpcReply> {
    let json: Json;
    try {
      json = JSON.parse(body) as Json;
    } catch {
      return errorReply(new RpcError(RPC_CODE.parseError, "Parse error"), null);
    }
    if (Array.isArray(json)) return this.#answerBatch(json, caller);
    if (json === null || typeName(json) !== "object") {
      return errorReply(new RpcError(RPC_CODE.parseError, "Top-level object parse error"), null);
    }
    let version: 1 | 2 = 1;
    let id: Json | undefined = (json as JsonObject)["id"] ?? null;
    try {
      const request = parseRequest(json as JsonObject);
      ({ version, id } = request);
      const result = await this.call(request.method, request.params, caller);
      if (id === undefined) return { status: 204, body: "" };
      return { status: 200, body: `${stringify(resultObject(version, id, result))}\n` };
    } catch (error) {
      const rpcError = toRpcError(error);
      if (error instanceof InvalidRequest) version = error.version;
      if (id === undefined) return { status: 204, body: "" };
      if (version === 2) return { status: 200, body: `${stringify(errorObject(2, id, rpcError))}\n` };
      return errorReply(rpcError, id);
    }
  }

  async #answerBatch(items: readonly Json[], caller: Caller): Promise<RpcReply> {
    const replies: Json[] = [];
    for (const item of items) {
      let version: 1 | 2 = 1;
      let id: Json | undefined = typeName(item) === "object" ? ((item as JsonObject)["id"] ?? null) : null;
      try {
        if (typeName(item) !== "object")
          throw new RpcError(RPC_CODE.invalidRequest, "Invalid Request object");
        const request = parseRequest(item as JsonObject);
        ({ version, id } = request);
        const result = await this.call(request.method, request.params, caller);
        if (id !== undefined) replies.push(resultObject(version, id, result));
      } catch (error) {
        if (error instanceof InvalidRequest) version = error.version;
        if (id !== undefined) replies.push(errorObject(version, id, toRpcError(error)));
      }
    }
    if (replies.length === 0 && items.length > 0) return { status: 204, body: "" };
    return { status: 200, body: `${stringify(replies)}\n` };
  }

  /** Runs one method. @throws RpcError for everything a caller can get wrong. */
  async call(name: string, params: Json, caller: Caller): Promise<Json> {
    if (!caller.allows(name)) throw new ForbiddenMethod();
    if (this.warmup !== undefined) throw new RpcError(RPC_CODE.inWarmup, this.warmup);
    const method = this.#methods.get(name);
    if (method === undefined) throw new RpcError(RPC_CODE.methodNotFound, "Method not found");
    const args = bindArguments(method, params);
    const active: ActiveCall = { method: name, since: performance.now() };
    const call: RpcCall = { method: name, wallet: caller.wallet, user: caller.user, signal: caller.signal };
    this.#active.add(active);
    try {
      return await method.run(this.#context, args, call);
    } finally {
      this.#active.delete(active);
    }
  }
}

/** A method outside the user's whitelist: HTTP 403 and no body, as Core. */
export class ForbiddenMethod extends Error {
  override readonly name = "ForbiddenMethod";
}

class InvalidRequest extends RpcError {
  readonly version: 1 | 2;

  constructor(version: 1 | 2, message: string) {
    super(RPC_CODE.invalidRequest, message);
    this.version = version;
  }
}

function parseRequest(request: JsonObject): Request {
  const marker = request["jsonrpc"] ?? null;
  let version: 1 | 2 = 1;
  if (marker !== null) {
    if (typeof marker !== "string") throw new InvalidRequest(1, "jsonrpc field must be a string");
    // "1.0" and "1.1" are not in their specifications, but clients send them.
    if (marker === "2.0") version = 2;
    else if (marker !== "1.0" && marker !== "1.1")
      throw new InvalidRequest(1, "JSON-RPC version not supported");
  }
  const id = version === 2 && request["id"] === undefined ? undefined : (request["id"] ?? null);
  const method = request["method"] ?? null;
  if (method === null) throw new InvalidRequest(version, "Missing method");
  if (typeof method !== "string") throw new InvalidRequest(version, "Method must be a string");
  const params = request["params"] ?? [];
  if (typeof params !== "object") throw new InvalidRequest(version, "Params must be an array or object");
  return { version, id, method, params };
}

function resultObject(version: 1 | 2, id: Json, result: Json): JsonObject {
  return version === 2 ? { jsonrpc: "2.0", result, id } : { result, error: null, id };
}

function errorObject(version: 1 | 2, id: Json, error: RpcError): JsonObject {
  const member = { code: error.code, message: error.message };
  return version === 2 ? { jsonrpc: "2.0", error: member, id } : { result: null, error: member, id };
}

function errorReply(error: RpcError, id: Json): RpcReply {
  const status =
    error.code === RPC_CODE.invalidRequest ? 400 : error.code === RPC_CODE.methodNotFound ? 404 : 500;
  return { status, body: `${stringify(errorObject(1, id, error))}\n` };
}

/** An exception that is no RpcError is a bug or a failed disk: the caller gets its text as Core's −1, main logs it. */
function toRpcError(error: unknown): RpcError {
  if (error instanceof ForbiddenMethod) throw error;
  if (error instanceof RpcError) return error;
  return new RpcError(RPC_CODE.misc, error instanceof Error ? error.message : String(error));
}
