/**
 * The protocols that this peer serves: finds the handler of a request, validates what came and what goes, and turns
 * every failure into a refusal. Knows nothing of sockets: both meshes answer through it.
 */
import type { z } from "zod";
import type { Logger } from "#base/lib/logger.ts";
import { encodeCbor } from "./cbor.ts";
import type { Handlers, RequestContext } from "./mesh.ts";
import {
  accept,
  type CallFailure,
  type MethodSpec,
  type Outcome,
  type ProtocolSpec,
  REFUSAL_CODES,
  type Refusal,
  refuse,
} from "./protocol.ts";

/** Longest frame of a method that states none, bytes. */
export const DEFAULT_FRAME_LIMIT = 64 * 1024;

/** `/freehold/<name>/<major>`. */
export function protocolId(spec: ProtocolSpec): string {
  return `/freehold/${spec.name}/${spec.major}`;
}

export function requestLimitOf(method: { readonly requestLimit?: number | undefined }): number {
  return method.requestLimit ?? DEFAULT_FRAME_LIMIT;
}

export function replyLimitOf(method: { readonly replyLimit?: number | undefined }): number {
  return method.replyLimit ?? DEFAULT_FRAME_LIMIT;
}

/** The longest request of a protocol: what a reader must be ready to hold. */
export function longestRequest(spec: ProtocolSpec): number {
  return Math.max(...Object.values(spec.methods).map(requestLimitOf));
}

/** The longest reply of a protocol. */
export function longestReply(spec: ProtocolSpec): number {
  return Math.max(...Object.values(spec.methods).map(replyLimitOf));
}

/** The name a method has in its protocol. @throws Error when it is not one of it: a bug of the caller. */
export function methodName(spec: ProtocolSpec, method: unknown): string {
  let names = methodNames.get(spec);
  if (names === undefined) {
    names = new Map(Object.entries(spec.methods).map(([name, of]) => [of, name]));
    methodNames.set(spec, names);
  }
  const name = names.get(method);
  if (name === undefined) throw new Error(`no such method in ${protocolId(spec)}`);
  return name;
}
const methodNames = new WeakMap<ProtocolSpec, Map<unknown, string>>();

/** What a frame may be longer than its body: `bytes` may be the length of either. */
const FRAME_ROOM = 96;

type Handler = (request: unknown, from: RequestContext) => Promise<Outcome<unknown>>;

interface Served {
  readonly spec: ProtocolSpec;
  readonly handlers: Readonly<Record<string, Handler>>;
}

/** What a request led to: the encoded reply, or a refusal. */
export type Answer = Reply & {
  /** Set when the request itself broke the protocol: it counts against the sender. */
  readonly misbehaviour?: string;
};

type Reply =
  | { readonly ok: true; readonly body: Uint8Array }
  | { readonly ok: false; readonly refusal: Refusal };

export class Services {
  readonly #served = new Map<string, Served>();
  readonly #logger: Logger;

  constructor(dependencies: { readonly logger: Logger }) {
    this.#logger = dependencies.logger;
  }

  serve<P extends ProtocolSpec>(spec: P, handlers: Handlers<P>): void {
    const id = protocolId(spec);
    if (this.#served.has(id)) throw new Error(`${id} is served already`);
    this.#served.set(id, { spec, handlers: handlers as unknown as Record<string, Handler> });
  }

  specOf(id: string): ProtocolSpec | undefined {
    return this.#served.get(id)?.spec;
  }

  /** Answers one request, whatever it holds. `bytes` is the length of its body or frame. Never throws. */
  async answer(
    id: string,
    name: string,
    request: unknown,
    bytes: number,
    from: RequestContext,
  ): Promise<Answer> {
    const served = this.#served.get(id);
    if (served === undefined) return refuse("unknown-method", `${id} is not served here`);
    if (!Object.hasOwn(served.spec.methods, name)) {
      return refuse("unknown-method", `${id} has no method ${printable(name)}`);
    }
    const spec = served.spec.methods[name]!;
    if (bytes > requestLimitOf(spec) + FRAME_ROOM) {
      return misbehaviour(`${name}: ${bytes} bytes, at most ${requestLimitOf(spec)}`);
    }
    const parsed = spec.request.safeParse(request);
    if (!parsed.success) return misbehaviour(`${name}: ${describeIssues(parsed.error)}`);
    return this.#run(served.handlers[name]!, `${id} ${name}`, spec, parsed.data, from);
  }

  async #run(
    handler: Handler,
    title: string,
    spec: MethodSpec,
    request: unknown,
    from: RequestContext,
  ): Promise<Reply> {
    try {
      const outcome = await handler(request, from);
      if (!outcome.ok) return { ok: false, refusal: wireRefusal(outcome.refusal) };
      const body = encodeCbor(outcome.value);
      if (body.length <= replyLimitOf(spec)) return { ok: true, body };
      throw new Error(`a reply of ${body.length} bytes, at most ${replyLimitOf(spec)}`);
    } catch (error) {
      if (!from.signal.aborted) {
        this.#logger.error(`${title}: ${error instanceof Error ? error.stack : String(error)}`);
      }
      return refuse("internal", "the request failed here");
    }
  }
}

function misbehaviour(text: string): Answer {
  return { ...refuse("bad-request", text), misbehaviour: text };
}

/** A refusal as it may go out: a failure of a call of ours that a handler passes on is our being unavailable. */
function wireRefusal(refusal: CallFailure): Refusal {
  const text = refusal.text.slice(0, 200);
  const code = REFUSAL_CODES.find((known) => known === refusal.code);
  return code === undefined ? { code: "unavailable", text } : { code, text };
}

/** A reply as its caller may use it, or why not. */
export function checkReply<A>(spec: { readonly reply: z.ZodType<A> }, reply: unknown): Outcome<A> {
  const parsed = spec.reply.safeParse(reply);
  if (parsed.success) return accept(parsed.data);
  return { ok: false, refusal: { code: "bad-reply", text: describeIssues(parsed.error) } };
}

/** The first thing that is wrong, and where; at most 200 characters. */
function describeIssues(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return "does not fit";
  const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  return printable(`${where}${issue.message}`, 160);
}

/** Text from outside for a log or a refusal: printable ASCII, cut to `max` characters. */
export function printable(text: string, max = 64): string {
  return text.slice(0, max).replace(/[^\x20-\x7e]/g, "?");
}
