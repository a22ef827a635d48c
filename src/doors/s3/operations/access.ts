/**
 * GetBucketAcl, GetObjectAcl, Get and DeleteObjectTagging, GetObjectLegalHold, GetObjectRetention: the owner may do
 * everything, nobody else anything; nothing is tagged, nothing locked.
 */
import { versionHeader } from "../object-headers.ts";
import { type Operation, type S3Context, type S3Response, wantedVersion, xmlResponse } from "../operation.ts";
import { S3Error } from "../s3-error.ts";
import { element, s3Document } from "../xml.ts";
import { ownerElement } from "./listing.ts";

export const getBucketAcl: Operation = async (request, context) => {
  await context.files.bucket(request.bucket);
  return accessPolicy(context);
};

export const getObjectAcl: Operation = async (request, context) => {
  await context.files.head(request.bucket, request.key, wantedVersion(request));
  return accessPolicy(context);
};

const GRANTEE_TYPE = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"';

function accessPolicy({ owner }: S3Context): S3Response {
  const grant = element("Grant", [
    element("Grantee", [element("ID", owner), element("DisplayName", "freehold")], GRANTEE_TYPE),
    element("Permission", "FULL_CONTROL"),
  ]);
  const document = [ownerElement(owner), element("AccessControlList", [grant])];
  return xmlResponse(s3Document("AccessControlPolicy", document));
}

export const getObjectTagging: Operation = async (request, { files }) => {
  await files.head(request.bucket, request.key, wantedVersion(request));
  return xmlResponse(s3Document("Tagging", [element("TagSet", [])]));
};

export const deleteObjectTagging: Operation = async (request, { files }) => {
  const object = await files.head(request.bucket, request.key, wantedVersion(request));
  return { status: 204, headers: versionHeader(object) };
};

/** What S3 says of an object in a bucket without locks. */
export const getObjectLock: Operation = async (request, { files }) => {
  await files.head(request.bucket, request.key, wantedVersion(request));
  throw new S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration");
};
