/**
 * JSON-RPC 1.x and 2.0 over decoded text: what comes in as a body goes out as a body and an HTTP status. Rules
 * and texts are Core's (rpc/request.cpp, httprpc.cpp): legacy replies carry both `result` and `error`, and errors
 * change the HTTP status; 2.0 replies carry one of them and are always 200, or 204 for notifications. A request
 * that cannot be understood changes the status in both.
 */

import { type Json, type JsonObject, stringify } from "#base/lib/json.ts";
import type { Logger } from "#base/lib/logger.ts";
import { parseJson } from "#base/lib/parse-json.ts";
import { Slices } from "#base/lib/slices.ts";
import { bindArguments } from "./bind-arguments.ts";
import { type RpcCall, type RpcMethod, typeName } from "./method.ts";
import { RPC_CODE, RpcError } from "./rpc-error.ts";

export interface RpcReply {
  readonly status: number;
  /** JSON text with a newline, to be sent piece after piece; none for 204 and 403. */
  readonly pieces: readonly string[];
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
  /** Methods this user may call (-rpcwhitelist), `undefined` for all. */
  readonly methods: ReadonlySet<string> | undefined;
}

/** What is known of a request that is being read, for its reply. */
interface Envelope {
  version: 1 | 2;
  /** `undefined` when the request has none; in 2.0 it wants no reply then. */
  id: Json | undefined;
}

/** Throws where the bytes are no UTF-8. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const FORBIDDEN: RpcReply = { status: 403, pieces: [] };
const NO_CONTENT: RpcReply = { status: 204, pieces: [] };

/** Holds the methods and answers requests. While {@link warmup} is set every call is answered with −28 and its text. */
export class RpcDispatcher<Context> {
  readonly #methods = new Map<string, RpcMethod<Context>>();
  readonly #context: Context;
  readonly #log: Logger | undefined;
  readonly #active = new Set<ActiveCall>();
  /** What start-up is doing, for error −28; undefined once calls are taken. */
  warmup: string | undefined = "RPC server started";

  constructor(context: Context, methods: readonly RpcMethod<Context>[], log?: Logger) {
    this.#context = context;
    this.#log = log;
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

  /** Answers one HTTP body, text in UTF-8: a request, or a batch of them. */
  async answer(body: string | Uint8Array, caller: Caller): Promise<RpcReply> {
    const envelope: Envelope = { version: 1, id: null };
    let json: Json;
    try {
      json = parseJson(typeof body === "string" ? body : UTF8.decode(body));
    } catch {
      return errorReply(new RpcError(RPC_CODE.parseError, "Parse error"), envelope);
    }
    if (caller.methods?.size === 0) {
      this.#log?.warn(`RPC User ${caller.user} not allowed to call any methods`);
      return FORBIDDEN;
    }
    if (Array.isArray(json)) return this.#answerBatch(json, caller);
    if (typeName(json) !== "object") {
      return errorReply(new RpcError(RPC_CODE.parseError, "Top-level object parse error"), envelope);
    }
    return this.#answerOne(json as JsonObject, caller, envelope);
  }

  async #answerOne(request: JsonObject, caller: Caller, envelope: Envelope): Promise<RpcReply> {
    let call: { method: string; params: Json };
    try {
      call = readRequest(request, envelope);
    } catch (error) {
      return errorReply(toRpcError(error), envelope);
    }
    if (caller.methods !== undefined && !caller.methods.has(call.method)) {
      this.#log?.warn(`RPC User ${caller.user} not allowed to call method ${call.method}`);
      return FORBIDDEN;
    }
    let reply: JsonObject;
    try {
      reply = replyObject(envelope, await this.call(call.method, call.params, caller));
    } catch (error) {
      if (envelope.version === 1) return errorReply(toRpcError(error), envelope);
      reply = errorObject(envelope, toRpcError(error));
    }
    return isNotification(envelope) ? NO_CONTENT : { status: 200, pieces: [`${stringify(reply)}\n`] };
  }

  async #answerBatch(items: readonly Json[], caller: Caller): Promise<RpcReply> {
    const { methods } = caller;
    if (methods !== undefined) {
      const refusal = refuseBatch(items, methods);
      if (refusal !== undefined) return refusal;
    }
    // As texts: what a reply was made from is often much larger, and all of them may be too long for one text.
    const pieces: string[] = [];
    const slices = new Slices();
    const envelope: Envelope = { version: 1, id: null };
    for (const item of items) {
      if (slices.due) await slices.pause();
      let reply: JsonObject;
      try {
        const { method, params } = readRequest(item, envelope);
        if (caller.signal.aborted) throw new RpcError(RPC_CODE.clientNotConnected, "Shutting down");
        reply = replyObject(envelope, await this.call(method, params, caller));
      } catch (error) {
        reply = errorObject(envelope, toRpcError(error));
      }
      if (!isNotification(envelope)) pieces.push(`${pieces.length === 0 ? "[" : ","}${stringify(reply)}`);
    }
    // An empty batch has no version, and old clients expect an array.
    if (pieces.length === 0 && items.length > 0) return NO_CONTENT;
    pieces.push(items.length === 0 ? "[]\n" : "]\n");
    return { status: 200, pieces };
  }

  /** Runs one method. @throws RpcError for everything a caller can get wrong. */
  async call(name: string, params: Json, caller: Caller): Promise<Json> {
    if (this.warmup !== undefined) throw new RpcError(RPC_CODE.inWarmup, this.warmup);
    const method = this.#methods.get(name);
    if (method === undefined) throw new RpcError(RPC_CODE.methodNotFound, "Method not found");
    this.#log?.debug("rpc", () => `ThreadRPCServer method=${name} user=${caller.user}`);
    const active: ActiveCall = { method: name, since: performance.now() };
    const call: RpcCall = { method: name, wallet: caller.wallet, user: caller.user, signal: caller.signal };
    this.#active.add(active);
    try {
      return await method.run(this.#context, bindArguments(method, params), call);
    } finally {
      this.#active.delete(active);
    }
  }
}

/** A batch of which one call is outside the whitelist does nothing at all. */
function refuseBatch(items: readonly Json[], methods: ReadonlySet<string>): RpcReply | undefined {
  const envelope: Envelope = { version: 1, id: null };
  for (const item of items) {
    if (typeName(item) !== "object") {
      return errorReply(new RpcError(RPC_CODE.invalidRequest, "Invalid Request object"), envelope);
    }
    const name = (item as JsonObject)["method"] ?? null;
    if (typeof name !== "string") {
      const text = `JSON value of type ${typeName(name)} is not of expected type string`;
      return errorReply(new RpcError(RPC_CODE.parseError, text), envelope);
    }
    if (!methods.has(name)) return FORBIDDEN;
  }
  return undefined;
}

function isNotification({ version, id }: Envelope): boolean {
  return version === 2 && id === undefined;
}

/** Reads a request and, as far as it comes, its envelope. @throws RpcError −32600 */
function readRequest(value: Json, envelope: Envelope): { method: string; params: Json } {
  const refuse = (text: string) => new RpcError(RPC_CODE.invalidRequest, text);
  if (typeName(value) !== "object") throw refuse("Invalid Request object");
  const request = value as JsonObject;
  envelope.id = request["id"];
  envelope.version = 1;
  const marker = request["jsonrpc"] ?? null;
  if (marker !== null) {
    if (typeof marker !== "string") throw refuse("jsonrpc field must be a string");
    // "1.0" is in no specification of that time, but clients send it.
    if (marker === "2.0") envelope.version = 2;
    else if (marker !== "1.0") throw refuse("JSON-RPC version not supported");
  }
  const method = request["method"] ?? null;
  if (method === null) throw refuse("Missing method");
  if (typeof method !== "string") throw refuse("Method must be a string");
  const params = request["params"] ?? [];
  if (!["array", "object"].includes(typeName(params))) throw refuse("Params must be an array or object");
  return { method, params };
}

function replyObject({ version, id }: Envelope, result: Json): JsonObject {
  return version === 2 ? { jsonrpc: "2.0", result, id } : { result, error: null, id };
}

function errorObject({ version, id }: Envelope, { code, message }: RpcError): JsonObject {
  const error = { code, message };
  return version === 2 ? { jsonrpc: "2.0", error, id } : { result: null, error, id };
}

function errorReply(error: RpcError, envelope: Envelope): RpcReply {
  const status =
    error.code === RPC_CODE.invalidRequest ? 400 : error.code === RPC_CODE.methodNotFound ? 404 : 500;
  return { status, pieces: [`${stringify(errorObject(envelope, error))}\n`] };
}

/** An exception that is no RpcError is a bug or a failed disk: the caller gets its text as Core's −1. */
function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  return new RpcError(RPC_CODE.misc, error instanceof Error ? error.message : String(error));
}
