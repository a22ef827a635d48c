/** GetObjectAttributes. Of checksums nothing is kept, so of parts there is their number alone, as S3 has it then. */

import { versionHeader } from "../object-headers.ts";
import { headerText, type Operation, wantedVersion, xmlResponse } from "../operation.ts";
import { partCount } from "../parts.ts";
import { S3Error } from "../s3-error.ts";
import { element, s3Document } from "../xml.ts";

const ATTRIBUTES = new Set(["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]);

export const getObjectAttributes: Operation = async (request, { files }) => {
  const wanted = parseWanted(request.headers.get("x-amz-object-attributes") ?? "");
  const object = await files.head(request.bucket, request.key, wantedVersion(request));
  const count = partCount(object);
  const told = [
    ["ETag", object.etag],
    ["ObjectParts", count === undefined ? undefined : [element("PartsCount", count)]],
    ["StorageClass", "STANDARD"],
    ["ObjectSize", object.size],
  ] as const;
  const elements = told.flatMap(([name, value]) =>
    wanted.has(name) && value !== undefined ? [element(name, value)] : [],
  );
  return {
    ...xmlResponse(s3Document("GetObjectAttributesResponse", elements)),
    headers: {
      "content-type": "application/xml",
      "last-modified": new Date(object.modified).toUTCString(),
      ...versionHeader(object),
    },
  };
};

/** @throws S3Error InvalidRequest, InvalidArgument. */
function parseWanted(header: string): ReadonlySet<string> {
  const names = header
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (names.length === 0) {
    throw new S3Error(
      "InvalidRequest",
      "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
    );
  }
  for (const name of names) {
    if (ATTRIBUTES.has(name)) continue;
    throw new S3Error("InvalidArgument", "Invalid attribute name specified.", {
      ArgumentName: "x-amz-object-attributes",
      ArgumentValue: headerText(name),
    });
  }
  return new Set(names);
}
