/** Which operation a request means: its method, what it names, and the subresource in its query. */
import type { Operation } from "./operation.ts";
import {
  deleteObjectTagging,
  getBucketAcl,
  getObjectAcl,
  getObjectLock,
  getObjectTagging,
} from "./operations/access.ts";
import { BUCKET_SETTINGS } from "./operations/bucket-settings.ts";
import {
  createBucket,
  deleteBucket,
  getBucketLocation,
  getBucketVersioning,
  headBucket,
  listBuckets,
  putBucketVersioning,
} from "./operations/buckets.ts";
import { deleteObjects } from "./operations/delete-objects.ts";
import { listObjects, listObjectsV2, listObjectVersions } from "./operations/listing.ts";
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  listMultipartUploads,
  listParts,
  uploadPart,
  uploadPartCopy,
} from "./operations/multipart.ts";
import { getObjectAttributes } from "./operations/object-attributes.ts";
import { copyObject, deleteObject, getObject, headObject, putObject } from "./operations/objects.ts";
import { S3Error } from "./s3-error.ts";

/** `<method> <what>[?<subresource>]` → operation. What is not here is not implemented, and says so. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  "GET service": listBuckets,

  "PUT bucket": createBucket,
  "HEAD bucket": headBucket,
  "DELETE bucket": deleteBucket,
  "GET bucket": listObjects,
  "GET bucket?list-type": listObjectsV2,
  "GET bucket?versions": listObjectVersions,
  "GET bucket?location": getBucketLocation,
  "GET bucket?versioning": getBucketVersioning,
  "PUT bucket?versioning": putBucketVersioning,
  "GET bucket?uploads": listMultipartUploads,
  "GET bucket?acl": getBucketAcl,
  "POST bucket?delete": deleteObjects,
  ...BUCKET_SETTINGS,

  "PUT object": putObject,
  "PUT object+copy": copyObject,
  "GET object": getObject,
  "HEAD object": headObject,
  "GET object?partNumber": getObject,
  "HEAD object?partNumber": headObject,
  "GET object?attributes": getObjectAttributes,
  "DELETE object": deleteObject,
  "GET object?acl": getObjectAcl,
  "GET object?tagging": getObjectTagging,
  "DELETE object?tagging": deleteObjectTagging,
  "GET object?legal-hold": getObjectLock,
  "GET object?retention": getObjectLock,
  "POST object?uploads": createMultipartUpload,
  "PUT object?uploadId": uploadPart,
  "PUT object?uploadId+copy": uploadPartCopy,
  "GET object?uploadId": listParts,
  "POST object?uploadId": completeMultipartUpload,
  "DELETE object?uploadId": abortMultipartUpload,
};

/** Query parameters that choose another operation, S3's whole list; all others are parameters or nothing to us. */
const SUBRESOURCES = new Set([
  "accelerate",
  "acl",
  "analytics",
  "append",
  "attributes",
  "cors",
  "delete",
  "encryption",
  "intelligent-tiering",
  "inventory",
  "legal-hold",
  "lifecycle",
  "list-type",
  "location",
  "logging",
  "metadataConfiguration",
  "metadataTable",
  "metrics",
  "notification",
  "object-lock",
  "ownershipControls",
  "partNumber",
  "policy",
  "policyStatus",
  "publicAccessBlock",
  "renameObject",
  "replication",
  "requestPayment",
  "restore",
  "retention",
  "select",
  "session",
  "tagging",
  "torrent",
  "uploadId",
  "uploads",
  "versioning",
  "versions",
  "website",
]);

export interface RouteKey {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: ReadonlyMap<string, string>;
  readonly copies: boolean;
}

/** @throws S3Error NotImplemented, MethodNotAllowed. */
export function findOperation(route: RouteKey): Operation {
  const what = route.bucket === "" ? "service" : route.key === "" ? "bucket" : "object";
  const named = [...route.query.keys()].filter((name) => SUBRESOURCES.has(name));
  // A part's number belongs to its upload.
  const subresources = named.includes("uploadId") ? named.filter((name) => name !== "partNumber") : named;
  if (route.query.has("list-type") && route.query.get("list-type") !== "2") {
    throw new S3Error("InvalidArgument", "Invalid List Type specified in Request", {
      ArgumentName: "list-type",
    });
  }
  const suffix = subresources.length === 0 ? "" : `?${subresources.join("&")}`;
  const copy = route.copies && route.method === "PUT" && what === "object" ? "+copy" : "";
  const name = `${route.method} ${what}${suffix}${copy}`;
  const operation = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
  if (operation !== undefined) return operation;
  if (subresources.length === 0 && ["GET", "HEAD", "PUT", "DELETE"].includes(route.method)) {
    throw new S3Error("MethodNotAllowed", "The specified method is not allowed against this resource.", {
      Method: route.method,
      ResourceType: what.toUpperCase(),
    });
  }
  throw new S3Error("NotImplemented", `${name} is not implemented.`);
}
