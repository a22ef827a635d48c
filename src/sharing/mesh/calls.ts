/** What every call of another peer has in common, whatever carries it. */
import type { Clock } from "#base/lib/clock.ts";
import { encodeCbor } from "./cbor.ts";
import type { CallOptions } from "./mesh.ts";
import type { CallFailure, MethodSpec, Outcome, ProtocolSpec } from "./protocol.ts";
import { methodName, protocolId, requestLimitOf } from "./services.ts";

/** Milliseconds that a call may take when it names none. */
const DEFAULT_TIMEOUT_MS = 30_000;

/** A request as it goes out. */
export interface EncodedRequest {
  readonly protocol: string;
  readonly method: string;
  readonly body: Uint8Array;
}

/** @throws Error when the method takes no request of this length: a bug of the caller */
export function encodeRequest<Q>(
  protocol: ProtocolSpec,
  method: Pick<MethodSpec<Q>, "requestLimit">,
  request: Q,
): EncodedRequest {
  const name = methodName(protocol, method);
  const body = encodeCbor(request);
  const most = requestLimitOf(method);
  if (body.length > most) throw new Error(`a request of ${body.length} bytes, ${name} takes ${most}`);
  return { protocol: protocolId(protocol), method: name, body };
}

/** A failure on our side of a call. */
export function failure(
  code: "unreachable" | "timeout" | "aborted",
  text: string,
): { readonly ok: false; readonly refusal: CallFailure } {
  return { ok: false, refusal: { code, text } };
}

export function givenUp(): ReturnType<typeof failure> {
  return failure("aborted", "given up");
}

/** A call under way. */
export interface RunningCall<A> {
  isOver(): boolean;
  /** Ends it, once. */
  end(outcome: Outcome<A>): void;
  /** What is to be done when it ends. */
  onEnd(action: () => void): void;
}

/** Runs one call until it is answered, out of time, or given up. `begin` is told how to end it. */
export function startCall<A>(
  clock: Pick<Clock, "after">,
  options: CallOptions,
  begin: (call: RunningCall<A>) => void,
): Promise<Outcome<A>> {
  return new Promise((resolve) => {
    const ending: (() => void)[] = [];
    let isOver = false;
    const call: RunningCall<A> = {
      isOver: () => isOver,
      end(outcome) {
        if (isOver) return;
        isOver = true;
        for (const action of ending) action();
        resolve(outcome);
      },
      onEnd: (action) => void ending.push(action),
    };
    const { signal } = options;
    const limit = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    call.onEnd(clock.after(limit, () => call.end(failure("timeout", `no answer in ${limit} ms`))));
    const onAbort = (): void => call.end(givenUp());
    signal?.addEventListener("abort", onAbort, { once: true });
    call.onEnd(() => signal?.removeEventListener("abort", onAbort));
    begin(call);
  });
}

/** What an error says, for a verdict or a log. */
export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
