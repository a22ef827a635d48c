import type { FileStore, ObjectInfo } from "#sharing/storage/file-store.ts";
import { checkVersion, headerText, type S3Request } from "./operation.ts";
import { S3Error } from "./s3-error.ts";
import { decodeUri } from "./uri.ts";

/** The object that `x-amz-copy-source` names: `[/]bucket/key[?versionId=…]`, percent-encoded or not. */
export async function readCopySource(request: S3Request, files: FileStore): Promise<ObjectInfo> {
  const { bucket, key, versionId } = parseCopySource(
    headerText(request.headers.get("x-amz-copy-source") ?? ""),
  );
  return files.head(bucket, key, checkVersion(versionId));
}

/** @throws S3Error InvalidArgument. */
export function parseCopySource(text: string): {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
} {
  const question = text.lastIndexOf("?versionId=");
  const path = decodeUri(question < 0 ? text : text.slice(0, question)).replace(/^\//, "");
  const versionId = question < 0 ? undefined : decodeUri(text.slice(question + "?versionId=".length));
  const slash = path.indexOf("/");
  if (slash < 1 || slash === path.length - 1) {
    throw new S3Error(
      "InvalidArgument",
      "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
      {
        ArgumentName: "x-amz-copy-source",
        ArgumentValue: text,
      },
    );
  }
  return { bucket: path.slice(0, slash), key: path.slice(slash + 1), versionId };
}
