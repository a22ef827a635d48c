/** The node's API, as the page uses it: this browser's session travels in a cookie that no script can read. */
import { text } from "../text/en.ts";

/** What the node answered instead: the text is for people. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

let lockedOut: () => void = () => undefined;

/** What is done when the node no longer knows this browser, whichever question told. */
export function whenLockedOut(act: () => void): void {
  lockedOut = act;
}

async function send<T>(method: string, path: string, body: BodyInit | null, type: string): Promise<T> {
  const headers = body === null ? {} : { "content-type": type };
  const response = await fetch(`/api${path}`, { method, body, headers }).catch(() => {
    throw new Refused(0, text.noAnswer);
  });
  const told = await response.text().catch(() => {
    throw new Refused(0, text.noAnswer);
  });
  if (response.ok) return (told === "" ? undefined : JSON.parse(told)) as T;
  if (response.status === 401) lockedOut();
  throw new Refused(response.status, reasonIn(told) ?? `HTTP ${response.status}`);
}

function reasonIn(told: string): string | undefined {
  try {
    return (JSON.parse(told) as { error?: string }).error;
  } catch {
    return undefined;
  }
}

function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  return send(method, path, body === undefined ? null : JSON.stringify(body), "application/json");
}

export const api = {
  get: <T>(path: string) => ask<T>("GET", path),
  post: <T>(path: string, body: unknown = {}) => ask<T>("POST", path, body),
  remove: <T>(path: string) => ask<T>("DELETE", path),
  /** Sends a file as it is. */
  upload: <T>(path: string, file: Blob) => send<T>("POST", path, file, "application/octet-stream"),
};

const LOGIN = /^#k=([\w-]+)$/;

export function isLoginLink(): boolean {
  return LOGIN.test(location.hash);
}

/** Uses up the key of a login link that the address bar holds, and takes it out of there. */
export async function logInByLink(): Promise<void> {
  const match = LOGIN.exec(location.hash);
  if (match === null) return;
  history.replaceState(null, "", location.pathname);
  await api.post("/session", { key: match[1] });
}

/** Puts a file to a presigned address of the S3 door, telling how far it is. @throws Refused */
export function putFile(
  url: string,
  file: Blob,
  tell: (share: number) => void,
  stop: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = new XMLHttpRequest();
  stop.addEventListener("abort", () => request.abort(), { once: true });
  request.addEventListener("abort", () => reject(new Refused(0, text.stopped)));
  request.open("PUT", url);
  request.upload.addEventListener("progress", ({ loaded, total }) => tell(total === 0 ? 1 : loaded / total));
  request.addEventListener("load", () => {
    if (request.status === 200) resolve();
    else reject(new Refused(request.status, s3Reason(request.responseText) ?? `HTTP ${request.status}`));
  });
  request.addEventListener("error", () => reject(new Refused(0, text.cutOff)));
  if (stop.aborted) reject(new Refused(0, text.stopped));
  else request.send(file);
  return promise;
}

/**
 * Has the browser save what a presigned address of the S3 door holds, straight to its disk, with its own progress.
 * @param url one that answers as an attachment, so that the page stays where it is
 * @throws Refused, as the browser would put a refusal in the place of the page
 */
export async function saveFile(url: string): Promise<void> {
  const look = new AbortController();
  const response = await fetch(url, { signal: look.signal }).catch(() => {
    throw new Refused(0, text.noDisk);
  });
  if (!response.ok) {
    const reason = s3Reason(await response.text().catch(() => ""));
    throw new Refused(response.status, reason ?? `HTTP ${response.status}`);
  }
  look.abort();
  const link = document.createElement("a");
  link.href = url;
  link.click();
}

function s3Reason(xml: string): string | undefined {
  return /<Message>([^<]*)<\/Message>/.exec(xml)?.[1];
}
