/** ListBuckets, CreateBucket, HeadBucket, DeleteBucket, GetBucketLocation, Get and PutBucketVersioning. */
import { type Operation, xmlResponse } from "../operation.ts";
import { S3Error } from "../s3-error.ts";
import { childText, element, malformed, parseXml, s3Document } from "../xml.ts";
import { makeToken, ownerElement, parseToken, readLimit } from "./listing.ts";

/** A bucket's configuration is a few elements. */
const MAX_DOCUMENT = 64 * 1024;
/** Most buckets of one page, where pages are asked for. */
const MAX_BUCKETS = 10_000;
/** What S3 calls the region without a name. */
const CLASSIC_REGION = "us-east-1";

export const listBuckets: Operation = async (request, { files, owner, region }) => {
  const { query } = request;
  const most = readLimit(request, "max-buckets", MAX_BUCKETS);
  if (most < 1 || Number(query.get("max-buckets") ?? 1) > MAX_BUCKETS) {
    throw new S3Error(
      "InvalidArgument",
      `Argument max-buckets must be an integer between 1 and ${MAX_BUCKETS}`,
      {
        ArgumentName: "max-buckets",
      },
    );
  }
  const token = query.get("continuation-token");
  const after = token === undefined ? "" : parseToken(token);
  const prefix = query.get("prefix") ?? "";
  const isHere = (query.get("bucket-region") ?? region) === region;
  const named = (await files.buckets())
    .filter(({ name }) => isHere && name.startsWith(prefix) && name > after)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const buckets = query.has("max-buckets") ? named.slice(0, most) : named;
  return xmlResponse(
    s3Document("ListAllMyBucketsResult", [
      ownerElement(owner),
      element(
        "Buckets",
        buckets.map((bucket) =>
          element("Bucket", [
            element("Name", bucket.name),
            element("CreationDate", new Date(bucket.created).toISOString()),
            element("BucketRegion", region),
          ]),
        ),
      ),
      ...(buckets.length < named.length
        ? [element("ContinuationToken", makeToken(buckets.at(-1)!.name))]
        : []),
      ...(prefix === "" ? [] : [element("Prefix", prefix)]),
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
