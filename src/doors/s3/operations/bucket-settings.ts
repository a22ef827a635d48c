/**
 * Settings of a bucket that are never set here. Programs ask for them before they do anything, and take S3's own answer
 * for "unset" well, where a refusal would end them: so reading and deleting answer as Amazon does of a bucket that has
 * none, and only setting one is refused.
 */
import { type Operation, type S3Request, type S3Response, xmlResponse } from "../operation.ts";
import { S3Error, type S3ErrorCode } from "../s3-error.ts";
import { element, s3Document, type Xml } from "../xml.ts";

/** Settings that can be deleted; unset they are an error: its code, and its words. */
const ABSENT: Readonly<Record<string, readonly [S3ErrorCode, string]>> = {
  cors: ["NoSuchCORSConfiguration", "The CORS configuration does not exist"],
  encryption: [
    "ServerSideEncryptionConfigurationNotFoundError",
    "The server side encryption configuration was not found",
  ],
  lifecycle: ["NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"],
  ownershipControls: ["OwnershipControlsNotFoundError", "The bucket ownership controls were not found"],
  policy: ["NoSuchBucketPolicy", "The bucket policy does not exist"],
  publicAccessBlock: [
    "NoSuchPublicAccessBlockConfiguration",
    "The public access block configuration was not found",
  ],
  replication: ["ReplicationConfigurationNotFoundError", "The replication configuration was not found"],
  tagging: ["NoSuchTagSet", "The TagSet does not exist"],
  website: ["NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"],
};

/** The same, but never deleted. */
const LOCK: Readonly<Record<string, readonly [S3ErrorCode, string]>> = {
  "object-lock": [
    "ObjectLockConfigurationNotFoundError",
    "Object Lock configuration does not exist for this bucket",
  ],
};

/** Settings that are there always; unset they are a document with nothing in it, or with what holds unless set. */
const EMPTY: Readonly<Record<string, readonly [root: string, ...Xml[]]>> = {
  accelerate: ["AccelerateConfiguration"],
  logging: ["BucketLoggingStatus"],
  notification: ["NotificationConfiguration"],
  requestPayment: ["RequestPaymentConfiguration", element("Payer", "BucketOwner")],
};

/** Settings of which a bucket has several by their ids: what a list of them is called. */
const LISTED: Readonly<Record<string, string>> = {
  analytics: "ListBucketAnalyticsConfigurationResult",
  "intelligent-tiering": "ListBucketIntelligentTieringConfigurationsOutput",
  inventory: "ListInventoryConfigurationsResult",
  metrics: "ListMetricsConfigurationsResult",
};

/** `<method> bucket?<setting>` → operation. */
export const BUCKET_SETTINGS: Readonly<Record<string, Operation>> = {
  ...operationsOf(
    ABSENT,
    ([code, message]) => absent(code, message),
    () => ({ status: 204 }),
  ),
  ...operationsOf(
    EMPTY,
    ([root, ...content]) =>
      () =>
        xmlResponse(s3Document(root, content)),
  ),
  ...operationsOf(LISTED, listed, noneOfThisId),
  ...operationsOf(LOCK, ([code, message]) => absent(code, message)),
  "GET bucket?policyStatus": ofBucket(absent(...ABSENT["policy"]!)),
};

type Answer = (request: S3Request) => S3Response;

/** Reading, deleting where S3 has that, and setting. */
function operationsOf<Unset>(
  settings: Readonly<Record<string, Unset>>,
  read: (unset: Unset) => Answer,
  remove?: Answer,
): Record<string, Operation> {
  const operations: Record<string, Operation> = {};
  for (const [setting, unset] of Object.entries(settings)) {
    operations[`GET bucket?${setting}`] = ofBucket(read(unset));
    if (remove !== undefined) operations[`DELETE bucket?${setting}`] = ofBucket(remove);
    operations[`PUT bucket?${setting}`] = ofBucket(() => {
      throw new S3Error(
        "NotImplemented",
        `Setting the ${setting} of a bucket is not implemented: it stays unset, and nothing was changed.`,
      );
    });
  }
  return operations;
}

function ofBucket(answer: Answer): Operation {
  return async (request, { files }) => {
    await files.bucket(request.bucket);
    return answer(request);
  };
}

function absent(code: S3ErrorCode, message: string): Answer {
  return ({ bucket }) => {
    throw new S3Error(code, message, { BucketName: bucket });
  };
}

function listed(root: string): Answer {
  return (request) =>
    request.query.has("id")
      ? noneOfThisId(request)
      : xmlResponse(s3Document(root, [element("IsTruncated", false)]));
}

function noneOfThisId({ bucket }: S3Request): never {
  throw new S3Error("NoSuchConfiguration", "The specified configuration does not exist.", {
    BucketName: bucket,
  });
}
