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

/** A login key, or a session, until it is used up, logged out, or too old. */
interface Grant {
  /** When it ends by itself, ms of the monotonic clock. */
  until: number;
  /** Aborts when it is taken back before. */
  readonly revoked: AbortController;
}

export class Sessions {
  readonly #token: Uint8Array;
  readonly #clock: Clock;
  /** By the hash of the secret. */
  readonly #keys = new Map<string, Grant>();
  readonly #sessions = new Map<string, Grant>();

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
    if (this.#alive(this.#keys, key) === undefined) return undefined;
    revoke(this.#keys, nameOf(key));
    return this.#add(this.#sessions, SESSION_LIFE);
  }

  /** Ends a session, and with it what still streams to it. */
  logout(session: string): void {
    revoke(this.#sessions, nameOf(session));
  }

  isToken(text: string): boolean {
    return timingSafeEqual(digest(text), this.#token);
  }

  /** Whether a session is open; using it makes it live on. */
  isSession(text: string): boolean {
    const session = this.#alive(this.#sessions, text);
    if (session === undefined) return false;
    session.until = this.#clock.monotonic() + SESSION_LIFE;
    return true;
  }

  /** Aborts when the session is logged out; undefined when there is none. */
  endOf(session: string): AbortSignal | undefined {
    return this.#alive(this.#sessions, session)?.revoked.signal;
  }

  #add(to: Map<string, Grant>, life: number): string {
    const secret = randomBytes(32).toString("base64url");
    to.set(nameOf(secret), { until: this.#clock.monotonic() + life, revoked: new AbortController() });
    for (const name of to.keys()) {
      if (to.size <= MAX_KEPT) break;
      revoke(to, name);
    }
    return secret;
  }

  #alive(kept: Map<string, Grant>, secret: string): Grant | undefined {
    const grant = kept.get(nameOf(secret));
    return grant !== undefined && grant.until > this.#clock.monotonic() ? grant : undefined;
  }
}

function revoke(from: Map<string, Grant>, name: string): void {
  from.get(name)?.revoked.abort();
  from.delete(name);
}

/** Kept by hash: looking one up takes no time that tells of the secret. */
function nameOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
