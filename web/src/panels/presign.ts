import { api, Refused } from "../connection/api.ts";
import { text } from "../text/en.ts";

/** Seconds that an address for one upload or download is good. */
const LINK_LIFE = 3600;
/** Characters of a header that names a file; a longer name is left to the browser, which takes it from the address. */
const MAX_NAME = 900;

/** An address of the S3 door for one file; to read it, it answers as something to be saved under the file's name. */
export async function presign(method: "GET" | "PUT", bucket: string, key: string): Promise<string> {
  // A browser takes such parts out of an address before it asks, and so asks for something else.
  if (key.split("/").some((part) => part === "." || part === "..")) throw new Refused(0, text.oddName);
  const query = method === "GET" ? { "response-content-disposition": attachment(key) } : undefined;
  const order = { method, bucket, key, seconds: LINK_LIFE, query };
  return (await api.post<{ url: string }>("/files/presign", order)).url;
}

/** RFC 6266, with the name as RFC 8187 has it. */
function attachment(key: string): string {
  const name = encodeURIComponent(key.split("/").at(-1) ?? key).replace(/['()*]/g, percent);
  return name.length > MAX_NAME ? "attachment" : `attachment; filename*=UTF-8''${name}`;
}

function percent(mark: string): string {
  return `%${mark.charCodeAt(0).toString(16).toUpperCase()}`;
}
