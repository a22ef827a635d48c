/** The node's API, as the page uses it: this browser's session travels in a cookie that no script can read. */

/** What the node answered instead: the text is for people. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function ask<T>(method: string, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`/api${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
  });
  const text = await response.text();
  const value: unknown = text === "" ? undefined : JSON.parse(text);
  if (response.ok) return value as T;
  const reason = (value as { error?: string } | undefined)?.error;
  throw new Refused(response.status, reason ?? `HTTP ${response.status}`);
}

export const api = {
  get: <T>(path: string) => ask<T>("GET", path),
  post: <T>(path: string, body: unknown = {}) => ask<T>("POST", path, body),
  remove: <T>(path: string) => ask<T>("DELETE", path),
  /** Sends a file as it is. */
  async upload<T>(path: string, file: Blob): Promise<T> {
    const headers = { "content-type": "application/octet-stream" };
    const response = await fetch(`/api${path}`, { method: "POST", body: file, headers });
    const value = (await response.json()) as T & { error?: string };
    if (response.ok) return value;
    throw new Refused(response.status, value.error ?? `HTTP ${response.status}`);
  },
};

/** Uses up the key of a login link that the address bar holds, and takes it out of there. */
export async function logInByLink(): Promise<void> {
  const match = /^#k=([\w-]+)$/.exec(location.hash);
  if (match === null) return;
  history.replaceState(null, "", location.pathname);
  await api.post("/session", { key: match[1] });
}

/** Puts a file to a presigned address of the S3 door, telling how far it is. */
export function putFile(url: string, file: Blob, tell: (share: number) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = new XMLHttpRequest();
  request.open("PUT", url);
  request.upload.addEventListener("progress", ({ loaded, total }) => tell(total === 0 ? 1 : loaded / total));
  request.addEventListener("load", () => {
    if (request.status === 200) resolve();
    else reject(new Refused(request.status, s3Reason(request.responseText) ?? `HTTP ${request.status}`));
  });
  request.addEventListener("error", () => reject(new Refused(0, "the disk's door does not answer")));
  request.send(file);
  return promise;
}

function s3Reason(xml: string): string | undefined {
  return /<Message>([^<]*)<\/Message>/.exec(xml)?.[1];
}
