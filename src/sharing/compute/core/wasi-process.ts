/**
 * What a command has of the world beside files: its arguments, a clock that stands still, chance that comes from the
 * task's seed. No environment, no network.
 */
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, writeU32 } from "#base/lib/bytes.ts";
import { FIXED_TIME, MAX_LIST, type WasiCall } from "./wasi-calls.ts";
import { ERRNO, type Errno } from "./wasi-errno.ts";
import type { ModuleMemory } from "./wasi-memory.ts";

/** Thrown through the module by `proc_exit`. */
export class WasiExit extends Error {
  override readonly name = "WasiExit";
  readonly code: number;

  constructor(code: number) {
    super(`exit code ${code}`);
    this.code = code;
  }
}

const RANDOM_DOMAIN = new TextEncoder().encode("freehold/random/1");

/** SHA-256("freehold/random/1" ‖ seed ‖ counter), one block after another. */
class SeedStream {
  readonly #seed: Uint8Array;
  #counter = 0;
  #block: Uint8Array = new Uint8Array(0);

  constructor(seed: Uint8Array) {
    this.#seed = seed;
  }

  fill(into: Uint8Array): void {
    for (let at = 0; at < into.length; ) {
      if (this.#block.length === 0) {
        const counter = new Uint8Array(4);
        writeU32(counter, 0, this.#counter++);
        this.#block = sha256(concatBytes(RANDOM_DOMAIN, this.#seed, counter));
      }
      const part = this.#block.subarray(0, into.length - at);
      into.set(part, at);
      at += part.length;
      this.#block = this.#block.subarray(part.length);
    }
  }
}

export class ProcessCalls {
  readonly #memory: ModuleMemory;
  readonly #args: readonly Uint8Array[];
  readonly #random: SeedStream;

  constructor(memory: ModuleMemory, args: readonly string[], seed: Uint8Array) {
    this.#memory = memory;
    this.#args = ["module", ...args].map((text) => new TextEncoder().encode(`${text}\0`));
    this.#random = new SeedStream(seed);
  }

  calls(): Record<string, WasiCall> {
    return {
      args_get: (list: number, text: number) => this.#argsGet(list, text),
      args_sizes_get: (count: number, size: number) => {
        this.#memory.set32(count, this.#args.length);
        this.#memory.set32(
          size,
          this.#args.reduce((sum, arg) => sum + arg.length, 0),
        );
        return ERRNO.success;
      },
      environ_get: () => ERRNO.success,
      environ_sizes_get: (count: number, size: number) => {
        this.#memory.set32(count, 0);
        this.#memory.set32(size, 0);
        return ERRNO.success;
      },
      clock_res_get: (_clock: number, at: number) => {
        this.#memory.set64(at, 1_000_000n);
        return ERRNO.success;
      },
      clock_time_get: (_clock: number, _precision: bigint, at: number) => {
        this.#memory.set64(at, FIXED_TIME);
        return ERRNO.success;
      },
      random_get: (at: number, length: number) => {
        this.#random.fill(this.#memory.bytes(at, length));
        return ERRNO.success;
      },
      proc_exit: (code: number) => {
        throw new WasiExit(code | 0);
      },
      proc_raise: (signal: number) => {
        throw new WasiExit(128 + (signal & 127));
      },
      sched_yield: () => ERRNO.success,
      poll_oneoff: (from: number, to: number, count: number, events: number) =>
        this.#poll(from, to, count, events),
      sock_accept: () => ERRNO.notsup,
      sock_recv: () => ERRNO.notsup,
      sock_send: () => ERRNO.notsup,
      sock_shutdown: () => ERRNO.notsup,
    };
  }

  #argsGet(list: number, text: number): Errno {
    let at = text;
    for (const [i, arg] of this.#args.entries()) {
      this.#memory.set32(list + 4 * i, at);
      this.#memory.bytes(at, arg.length).set(arg);
      at += arg.length;
    }
    return ERRNO.success;
  }

  /** Everything is ready at once: sleeping takes no time where the clock stands still. */
  #poll(from: number, to: number, count: number, events: number): Errno {
    if (count === 0 || count > MAX_LIST) return ERRNO.inval;
    for (let i = 0; i < count; i++) {
      const subscription = this.#memory.bytes(from + 48 * i, 48);
      const event = this.#memory.bytes(to + 32 * i, 32);
      const type = subscription[8]!;
      event.fill(0);
      event.set(subscription.subarray(0, 8));
      event[10] = type;
    }
    this.#memory.set32(events, count);
    return ERRNO.success;
  }
}
