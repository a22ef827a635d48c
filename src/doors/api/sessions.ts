/**
 * Who may use the API: programs of this user, by the bearer token of `.api-cookie` (fresh at every start, readable by
 * its owner alone), and a browser, by a session that it gets once for a login key. A login key is good for one login and
 * a short time, so that the link in a terminal or a shell history is worth nothing afterwards.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Clock } from "#base/lib/clock.ts";

/** Milliseconds that a login key waits to be used. */
const KEY_LIFE = 10 * 60_000;
/** Milliseconds that a session lives without a request. */
const SESSION_LIFE = 12 * 3_600_000;
/** Keys and sessions kept at most; the oldest go first. */
const MAX_KEPT = 64;

export class Sessions {
  readonly #token: Uint8Array;
  readonly #clock: Clock;
  /** Hash of the secret → when it ends, ms. */
  readonly #keys = new Map<string, number>();
  readonly #sessions = new Map<string, number>();

  /** @param token the bearer token, as it stands in `.api-cookie` */
  constructor(token: string, clock: Clock) {
    this.#token = digest(token);
    this.#clock = clock;
  }

  /** A fresh login key, for a link. */
  createKey(): string {
    return this.#add(this.#keys, KEY_LIFE);
  }

  /** Uses a login key up. @returns the session's secret, undefined when the key is none or was used */
  login(key: string): string | undefined {
    if (!this.#isAlive(this.#keys, key)) return undefined;
    this.#keys.delete(nameOf(key));
    return this.#add(this.#sessions, SESSION_LIFE);
  }

  logout(session: string): void {
    this.#sessions.delete(nameOf(session));
  }

  isToken(text: string): boolean {
    return timingSafeEqual(digest(text), this.#token);
  }

  /** Whether a session is open; using it makes it live on. */
  isSession(text: string): boolean {
    if (!this.#isAlive(this.#sessions, text)) return false;
    this.#sessions.set(nameOf(text), this.#clock.monotonic() + SESSION_LIFE);
    return true;
  }

  #add(to: Map<string, number>, life: number): string {
    const secret = randomBytes(32).toString("base64url");
    to.set(nameOf(secret), this.#clock.monotonic() + life);
    for (const name of to.keys()) {
      if (to.size <= MAX_KEPT) break;
      to.delete(name);
    }
    return secret;
  }

  #isAlive(kept: Map<string, number>, secret: string): boolean {
    const until = kept.get(nameOf(secret));
    return until !== undefined && until > this.#clock.monotonic();
  }
}

/** Kept by hash: looking one up takes no time that tells of the secret. */
function nameOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
