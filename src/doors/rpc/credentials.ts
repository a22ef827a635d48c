/**
 * Who may call: the cookie that the node writes at start, -rpcuser with -rpcpassword, and -rpcauth entries
 * (user:salt$hmac, so that no password stands in a file). Passwords are kept as HMAC-SHA256 with a salt and
 * compared in constant time.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

interface Login {
  readonly user: string;
  readonly salt: string;
  /** HMAC of the password, as hex text. */
  readonly hash: string;
}

const NONE: ReadonlySet<string> = new Set();

const COOKIE_USER = "__cookie__";

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
    const match = /^([^:]*):([^$:]*)\$([^$:]*)$/.exec(entry);
    if (match === null) return false;
    const [, user = "", salt = "", hash = ""] = match;
    this.#logins.push({ user, salt, hash });
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

  /** Methods that this user may call, `undefined` for all. */
  methodsOf(user: string): ReadonlySet<string> | undefined {
    return this.#whitelist.get(user) ?? (this.#whitelistDefault ? NONE : undefined);
  }

  /** The user that an Authorization header proves, or `undefined`. */
  check(header: string | undefined): string | undefined {
    if (header === undefined || !header.startsWith("Basic ")) return undefined;
    const pair = Buffer.from(header.slice("Basic ".length).trim(), "base64").toString("utf8");
    if (!pair.includes(":")) return undefined;
    const [user, password] = splitOnce(pair, ":");
    for (const login of this.#logins) {
      if (isEqual(login.user, user) && isEqual(hmac(login.salt, password), login.hash)) return user;
    }
    return undefined;
  }
}

function hmac(salt: string, password: string): string {
  return createHmac("sha256", salt).update(password).digest("hex");
}

/** Compares in a time that tells nothing of where texts differ. */
function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
