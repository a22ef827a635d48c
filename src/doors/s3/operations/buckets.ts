/** ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, Get and PutBucketVersioning. */
import { type Operation, xmlResponse } from "../operation.ts";
import { S3Error } from "../s3-error.ts";
import { childText, element, malformed, parseXml, s3Document } from "../xml.ts";

/** A bucket's configuration is a few elements. */
const MAX_DOCUMENT = 64 * 1024;
/** What S3 calls the region without a name. */
const CLASSIC_REGION = "us-east-1";

export const listBuckets: Operation = async (_request, { files, owner }) => {
  const buckets = await files.buckets();
  return xmlResponse(
    s3Document("ListAllMyBucketsResult", [
      element("Owner", [element("ID", owner), element("DisplayName", "freehold")]),
      element(
        "Buckets",
        buckets.map((bucket) =>
          element("Bucket", [
            element("Name", bucket.name),
            element("CreationDate", new Date(bucket.created).toISOString()),
          ]),
        ),
      ),
    ]),
  );
};

export const createBucket: Operation = async (request, { files, region }) => {
  const text = await request.body.text(MAX_DOCUMENT);
  if (text.trim() !== "") {
    const wanted = childText(parseXml(text, "CreateBucketConfiguration"), "LocationConstraint") ?? region;
    if (wanted !== region && wanted !== "") {
      throw new S3Error(
        "IllegalLocationConstraintException",
        `The ${wanted} location constraint is incompatible for the region specific endpoint this request was sent to.`,
      );
    }
  }
  await files.createBucket(request.bucket);
  return { status: 200, headers: { location: `/${request.bucket}` } };
};

export const headBucket: Operation = async (request, { files, region }) => {
  await files.bucket(request.bucket);
  return { status: 200, headers: { "x-amz-bucket-region": region, "content-type": "application/xml" } };
};

export const deleteBucket: Operation = async (request, { files }) => {
  await files.deleteBucket(request.bucket);
  return { status: 204 };
};

export const getBucketLocation: Operation = async (request, { files, region }) => {
  await files.bucket(request.bucket);
  const root = element(
    "LocationConstraint",
    region === CLASSIC_REGION ? "" : region,
    ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"',
  );
  return xmlResponse(`<?xml version="1.0" encoding="UTF-8"?>\n${root.text}`);
};

export const getBucketVersioning: Operation = async (request, { files }) => {
  const { versioning } = await files.bucket(request.bucket);
  const status = {
    off: [],
    enabled: [element("Status", "Enabled")],
    suspended: [element("Status", "Suspended")],
  };
  return xmlResponse(s3Document("VersioningConfiguration", status[versioning]));
};

export const putBucketVersioning: Operation = async (request, { files }) => {
  const root = parseXml(await request.body.text(MAX_DOCUMENT), "VersioningConfiguration");
  const status = childText(root, "Status");
  if (status !== "Enabled" && status !== "Suspended") throw malformed();
  const mfaDelete = childText(root, "MfaDelete");
  if (mfaDelete !== undefined && mfaDelete !== "Disabled") {
    throw new S3Error("NotImplemented", "MFA delete is not implemented.");
  }
  await files.setVersioning(request.bucket, status === "Enabled" ? "enabled" : "suspended");
  return { status: 200 };
};
