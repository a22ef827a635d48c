import type { ObjectInfo } from "#sharing/storage/file-store.ts";
import { checkKey } from "../address.ts";
import { checkVersion, type Operation, type S3Context, xmlResponse } from "../operation.ts";
import { asS3Error, type S3Error } from "../s3-error.ts";
import { childText, element, malformed, parseXml, s3Document, type Xml } from "../xml.ts";

const MAX_OBJECTS = 1000;
/** A thousand keys of 1,024 bytes, escaped and wrapped. */
const MAX_DOCUMENT = 8 * 1024 * 1024;
/** Deletions under way at once. */
const WIDTH = 16;

interface Wanted {
  readonly key: string;
  readonly versionId: string | undefined;
}

/** DeleteObjects: each object has its own outcome, and the answer is 200 whatever they are. */
export const deleteObjects: Operation = async (request, context) => {
  const root = parseXml(await request.body.text(MAX_DOCUMENT), "Delete");
  const objects = root.children.get("Object") ?? [];
  if (objects.length === 0 || objects.length > MAX_OBJECTS) throw malformed();
  const quiet = childText(root, "Quiet") === "true";
  const wanted = objects.map((object): Wanted => {
    const key = childText(object, "Key");
    if (key === undefined || key === "") throw malformed();
    if (["ETag", "LastModifiedTime", "Size"].some((name) => object.children.has(name))) throw malformed();
    return { key, versionId: childText(object, "VersionId") };
  });
  await context.files.bucket(request.bucket);
  const outcomes = new Array<Xml | undefined>(wanted.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let at = next++; at < wanted.length; at = next++) {
      outcomes[at] = await deleteOne(wanted[at]!, request.bucket, quiet, context);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  return xmlResponse(
    s3Document(
      "DeleteResult",
      outcomes.filter((outcome) => outcome !== undefined),
    ),
  );
};

async function deleteOne(
  wanted: Wanted,
  bucket: string,
  quiet: boolean,
  { files }: S3Context,
): Promise<Xml | undefined> {
  try {
    checkKey(wanted.key);
    const gone = await files.delete(bucket, wanted.key, checkVersion(wanted.versionId));
    return quiet ? undefined : deleted(wanted, gone);
  } catch (error) {
    const refusal = asS3Error(error);
    if (refusal === undefined) throw error;
    return failed(wanted, refusal);
  }
}

function deleted(wanted: Wanted, gone: ObjectInfo | undefined): Xml {
  const marker =
    gone?.deleteMarker === true
      ? [element("DeleteMarker", true), element("DeleteMarkerVersionId", gone.versionId)]
      : [];
  return element("Deleted", [element("Key", wanted.key), ...versionElement(wanted), ...marker]);
}

function failed(wanted: Wanted, refusal: S3Error): Xml {
  return element("Error", [
    element("Key", wanted.key),
    ...versionElement(wanted),
    element("Code", refusal.code),
    element("Message", refusal.message),
  ]);
}

function versionElement(wanted: Wanted): readonly Xml[] {
  return wanted.versionId === undefined ? [] : [element("VersionId", wanted.versionId)];
}
