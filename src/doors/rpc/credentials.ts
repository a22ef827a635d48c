/**
 * Who may call: the cookie that the node writes at start, -rpcuser with -rpcpassword, and -rpcauth entries
 * (user:salt$hmac, so that no password stands in a file). Passwords are kept as HMAC-SHA256 with a salt and
 * compared in constant time.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

interface Login {
  readonly user: string;
  readonly salt: string;
  readonly hash: Uint8Array;
}

export const COOKIE_USER = "__cookie__";

/** The line of a fresh cookie file: user, colon, 32 random bytes in hex. */
export function makeCookie(): string {
  return `${COOKIE_USER}:${randomBytes(32).toString("hex")}`;
}

export class Credentials {
  readonly #logins: Login[] = [];
  readonly #whitelist = new Map<string, Set<string>>();
  #whitelistDefault = false;

  /** Adds a user with a plain password, as `user:password`. */
  addPlain(pair: string): void {
    const [user, password] = splitOnce(pair, ":");
    const salt = randomBytes(16).toString("hex");
    this.#logins.push({ user, salt, hash: hmac(salt, password) });
  }

  /** Adds an -rpcauth entry `user:salt$hash`. @returns false when it has not that form. */
  addHashed(entry: string): boolean {
    const match = /^([^:]*):([^$]*)\$([0-9a-f]{64})$/i.exec(entry);
    if (match === null) return false;
    this.#logins.push({ user: match[1]!, salt: match[2]!, hash: Buffer.from(match[3]!, "hex") });
    return true;
  }

  /** -rpcwhitelist entries `user:method,method`; several for one user leave what all allow. */
  restrict(entries: readonly string[], byDefault: boolean): void {
    this.#whitelistDefault = byDefault;
    for (const entry of entries) {
      const [user, list] = splitOnce(entry, ":");
      const methods = new Set(list.split(/[, ]/).filter((name) => name !== ""));
      const before = this.#whitelist.get(user);
      this.#whitelist.set(
        user,
        before === undefined ? methods : new Set([...methods].filter((name) => before.has(name))),
      );
    }
  }

  /** Whether the whitelist lets this user call the method. */
  allows(user: string, method: string): boolean {
    const methods = this.#whitelist.get(user);
    return methods === undefined ? !this.#whitelistDefault : methods.has(method);
  }

  /** The user that an Authorization header proves, or `undefined`. */
  check(header: string | undefined): string | undefined {
    const match = /^Basic +([A-Za-z0-9+/=]+)\s*$/.exec(header ?? "");
    if (match === null) return undefined;
    const pair = Buffer.from(match[1]!, "base64").toString("utf8");
    if (!pair.includes(":")) return undefined;
    const [user, password] = splitOnce(pair, ":");
    for (const login of this.#logins) {
      if (login.user === user && timingSafeEqual(hmac(login.salt, password), login.hash)) return user;
    }
    return undefined;
  }
}

function hmac(salt: string, password: string): Uint8Array {
  return createHmac("sha256", salt).update(password).digest();
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
