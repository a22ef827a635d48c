import type { S3Error } from "./s3-error.ts";
import { element, XML_HEAD } from "./xml.ts";

/** What a refused client reads. `resource` is the path that was asked for. */
export function errorDocument(error: S3Error, resource: string, requestId: string): string {
  const details = Object.entries(error.details).map(([name, value]) => element(name, value));
  const root = element("Error", [
    element("Code", error.code),
    element("Message", error.message),
    ...details,
    element("Resource", resource),
    element("RequestId", requestId),
  ]);
  return XML_HEAD + root.text;
}
