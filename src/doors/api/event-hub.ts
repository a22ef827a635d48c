import type { SharingEvent } from "./sharing-control.ts";

/** A block that joined or left the best chain, as the page draws it. */
export interface BlockView {
  readonly height: number;
  /** Reversed hex. */
  readonly hash: string;
  /** Seconds since 1970, the header's. */
  readonly time: number;
  readonly transactions: number;
  /** Serialised bytes. */
  readonly size: number;
}

/** All that the event stream tells. */
export type ApiEvent =
  | SharingEvent
  | { readonly type: "block"; readonly block: BlockView; readonly change: "connected" | "disconnected" }
  | { readonly type: "mempool"; readonly transactions: number; readonly bytes: number }
  | { readonly type: "wallet"; readonly wallet: string }
  | { readonly type: "sharing"; readonly state: "running" | "starting" | "off"; readonly reason?: string };

/** Events that one slow reader may leave waiting; beyond that its stream ends and it comes back for the present state. */
const MAX_WAITING = 1000;

/** Fans events out to readers. Emitting never waits for a reader. */
export class EventHub {
  readonly #readers = new Set<Reader>();

  emit(event: ApiEvent): void {
    for (const reader of this.#readers) reader.push(event);
  }

  /** Events from now on, until the signal aborts or the reader is too slow. */
  async *follow(signal: AbortSignal): AsyncIterable<ApiEvent> {
    const reader = new Reader();
    this.#readers.add(reader);
    const wake = () => reader.end();
    signal.addEventListener("abort", wake, { once: true });
    if (signal.aborted) wake();
    try {
      for (;;) {
        const event = await reader.next();
        if (event === undefined) return;
        yield event;
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#readers.delete(reader);
    }
  }

  /** Ends every stream. */
  close(): void {
    for (const reader of this.#readers) reader.end();
  }

  get readers(): number {
    return this.#readers.size;
  }
}

class Reader {
  #waiting: ApiEvent[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  push(event: ApiEvent): void {
    if (this.#ended) return;
    if (this.#waiting.length >= MAX_WAITING) this.end();
    else this.#waiting.push(event);
    this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async next(): Promise<ApiEvent | undefined> {
    while (this.#waiting.length === 0) {
      if (this.#ended) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#waiting.shift();
  }
}
