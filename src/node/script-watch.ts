/** The output scripts that followers of the chain want to hear of, found fast among all those of a block. */
import { equalBytes } from "#base/lib/bytes.ts";

interface Watched {
  readonly script: Uint8Array;
  readonly followers: Set<string>;
}

/** FNV-1a over a script: cheap, and whoever makes two of ours collide gains nothing, for the bytes are compared. */
function keyOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c_9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x0100_0193);
  return hash;
}

export class ScriptWatch {
  readonly #byKey = new Map<number, Watched[]>();
  /** Lengths that occur, so that most scripts need no hash. */
  readonly #lengths = new Set<number>();
  readonly #followers = new Set<string>();

  get isEmpty(): boolean {
    return this.#byKey.size === 0;
  }

  /** Everybody who ever followed, with scripts or without. */
  get followers(): ReadonlySet<string> {
    return this.#followers;
  }

  add(follower: string, scripts: readonly Uint8Array[]): void {
    this.#followers.add(follower);
    for (const script of scripts) {
      const key = keyOf(script, 0, script.length);
      const same = this.#byKey.get(key) ?? [];
      const known = same.find((watched) => equalBytes(watched.script, script));
      if (known !== undefined) {
        known.followers.add(follower);
        continue;
      }
      same.push({ script: script.slice(), followers: new Set([follower]) });
      this.#byKey.set(key, same);
      this.#lengths.add(script.length);
    }
  }

  /** Lets go of all that a follower watched. */
  remove(follower: string): void {
    this.#followers.delete(follower);
    for (const [key, same] of this.#byKey) {
      for (const watched of same) watched.followers.delete(follower);
      const left = same.filter((watched) => watched.followers.size > 0);
      if (left.length === 0) this.#byKey.delete(key);
      else if (left.length < same.length) this.#byKey.set(key, left);
    }
  }

  /** Adds the followers of the script at `start` … `end` to a set. */
  collect(bytes: Uint8Array, start: number, end: number, into: Set<string>): void {
    if (!this.#lengths.has(end - start)) return;
    const same = this.#byKey.get(keyOf(bytes, start, end));
    if (same === undefined) return;
    for (const { script, followers } of same) {
      if (isAt(script, bytes, start)) for (const follower of followers) into.add(follower);
    }
  }
}

function isAt(script: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < script.length; i++) if (script[i] !== bytes[start + i]) return false;
  return true;
}
