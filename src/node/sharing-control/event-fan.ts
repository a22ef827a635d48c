import type { SharingEvent } from "#doors/api/sharing-control.ts";

/** Events that one slow reader may leave waiting. */
const MAX_WAITING = 1000;

/** Fans events out to readers; one that is slow loses the oldest `traffic` first, then the oldest of the rest. */
export class EventFan {
  readonly #readers = new Set<Reader>();

  emit(event: SharingEvent): void {
    for (const reader of this.#readers) reader.push(event);
  }

  /** Events from now on, until the signal aborts. */
  async *follow(signal: AbortSignal): AsyncGenerator<SharingEvent> {
    const reader = new Reader();
    this.#readers.add(reader);
    const wake = () => reader.wake();
    signal.addEventListener("abort", wake, { once: true });
    try {
      while (!signal.aborted) {
        const event = reader.shift();
        if (event === undefined) await reader.filled();
        else yield event;
      }
    } finally {
      signal.removeEventListener("abort", wake);
      this.#readers.delete(reader);
    }
  }
}

class Reader {
  readonly #waiting: SharingEvent[] = [];
  #wake: (() => void) | undefined;

  push(event: SharingEvent): void {
    if (this.#waiting.length >= MAX_WAITING) {
      const traffic = this.#waiting.findIndex(({ type }) => type === "traffic");
      this.#waiting.splice(Math.max(0, traffic), 1);
    }
    this.#waiting.push(event);
    this.wake();
  }

  shift(): SharingEvent | undefined {
    return this.#waiting.shift();
  }

  wake(): void {
    this.#wake?.();
  }

  /** Resolves when something may have come. */
  filled(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#waiting.length > 0) resolve();
    });
  }
}
