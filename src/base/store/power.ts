import { systemError } from "./disk-error.ts";

/** A sync that a fault world is asked to perform. */
export interface SyncRequest {
  readonly kind: "file" | "directory" | "store";
  readonly path: string;
}

/** Thrown by everything on a fault world whose power went off. */
export class PowerOffError extends Error {
  override readonly name = "PowerOffError";
}

/**
 * What the files and stores of one fault world share: the count of operations, the instant at which the power goes
 * off, the syncs that are left out, and the room on the disk.
 */
export class Power {
  /** Operations that changed or synced something so far. */
  operations = 0;
  /** The power goes off during the operation of this number. */
  offAt: number = Number.POSITIVE_INFINITY;
  off = false;
  /** Bytes that the whole disk can hold. */
  capacity: number = Number.POSITIVE_INFINITY;
  used = 0;
  #leftOut: (sync: SyncRequest) => boolean = () => false;

  leaveOut(match: (sync: SyncRequest) => boolean): void {
    this.#leftOut = match;
  }

  /** @throws PowerOffError once the power is off. */
  check(): void {
    if (this.off) throw new PowerOffError("the power is off");
  }

  /**
   * Performs one change. At the fatal instant it is still begun (`change` records it as not synced), and fails.
   */
  change(change: () => void): void {
    this.check();
    this.operations++;
    change();
    this.#fall();
  }

  /** Performs a sync, unless it is left out or the power goes off before it ends. */
  sync(request: SyncRequest, perform: () => void): void {
    this.check();
    this.operations++;
    this.#fall();
    if (!this.#leftOut(request)) perform();
  }

  #fall(): void {
    if (this.operations >= this.offAt) {
      this.off = true;
      this.check();
    }
  }

  /** Takes room for `bytes` more. @throws ENOSPC, and takes none, when there is too little. */
  take(bytes: number, path: string): void {
    if (bytes > 0 && this.used + bytes > this.capacity) throw systemError("ENOSPC", "write", path);
    this.used += bytes;
  }
}
