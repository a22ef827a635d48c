import type { CoinArena } from "./coin-arena.ts";
import type { CoinTable } from "./coin-table.ts";
import type { OutpointKey } from "./outpoint-key.ts";

/** A new entry. */
export const ADDED = 0;
/** A fresh coin was spent: its entry is out of the table, its record stays until the change is kept. */
export const UNLINKED = 1;
/** A coin was spent and waits to be deleted; noted are its flags before. */
export const MARKED = 2;
/** An entry got another record; noted is the one before. */
export const REPLACED = 3;

/** Kind, slot, and what else is noted. */
const STRIDE = 3;

/** What one change did to the cache, step by step, so that it can be taken back. */
export class ChangeLog {
  #steps = new Int32Array(STRIDE * 1024);
  #length = 0;

  get byteLength(): number {
    return this.#steps.byteLength;
  }

  note(kind: number, slot: number, before = 0): void {
    const at = this.#length;
    this.#length = at + STRIDE;
    if (this.#length > this.#steps.length) {
      const grown = new Int32Array(this.#steps.length * 2);
      grown.set(this.#steps);
      this.#steps = grown;
    }
    const steps = this.#steps;
    steps[at] = kind;
    steps[at + 1] = slot;
    steps[at + 2] = before;
  }

  /** Keeps the change: gives the room of records back that nothing names any more. */
  forget(arena: CoinArena): void {
    const steps = this.#steps;
    for (let at = 0; at < this.#length; at += STRIDE) {
      if (steps[at] === UNLINKED) arena.release(steps[at + 1]!);
      else if (steps[at] === REPLACED) arena.release(steps[at + 2]!);
    }
    this.#length = 0;
  }

  /** Takes the change back, last step first. */
  undo(arena: CoinArena, table: CoinTable, key: OutpointKey): void {
    const steps = this.#steps;
    for (let at = this.#length - STRIDE; at >= 0; at -= STRIDE) {
      const slot = steps[at + 1]!;
      const before = steps[at + 2]!;
      key.loadWords(arena.words, slot);
      switch (steps[at]) {
        case ADDED:
          table.remove(table.placeOf(key.hash, slot));
          arena.release(slot);
          break;
        case UNLINKED:
          table.insert(key.hash, slot);
          break;
        case MARKED:
          arena.setFlags(slot, before);
          break;
        case REPLACED:
          table.setSlot(table.placeOf(key.hash, slot), before);
          arena.release(slot);
          break;
      }
    }
    this.#length = 0;
  }
}
