/**
 * What the doors ask of the sharing process: serialisable requests and answers, and one stream of events. The node
 * hands over an implementation that goes across the link; the sharing process holds the real one. Bulk bytes never
 * pass here: files go through the S3 door (presigned), scenes and pictures through files in the data directory.
 */
import type { JobEvent, JobQuery, JobView } from "#sharing/compute/requester/job-view.ts";
import type { DealId, KeptReceipt, ReceiptQuery } from "#sharing/deals/deal.ts";
import type { PeerId, PeerView } from "#sharing/mesh/mesh.ts";
import type { SlabHealth } from "#sharing/storage/file-store.ts";
import type { FilesEvent } from "#sharing/storage/files/file-events.ts";

export type { JobQuery, JobState, JobView, TaskView } from "#sharing/compute/requester/job-view.ts";

/** A verdict of the sharing process: what the user got wrong, or what is not there. */
export type ControlResult<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

export interface SharingStatus {
  readonly peer: PeerId;
  readonly account: string;
  readonly name: string;
  readonly listening: readonly string[];
  /** Where the S3 door listens, `http://127.0.0.1:9000`. */
  readonly s3: string | undefined;
  readonly startedAt: number;
  readonly host: HostStatus;
  readonly provider: ProviderStatus;
}

/** How much a host gives away. */
export interface HostRules {
  readonly limitBytes: number;
  /** Most bytes of one account; no other limit than all where it is left out. */
  readonly limitBytesPerAccount?: number;
  /** Days that shards stay whose account has no terms any more; 30 where it is left out. */
  readonly keepDays?: number;
}

export interface HostStatus {
  readonly on: boolean;
  readonly limitBytes: number;
  /** Most bytes of one account, where there is such a limit. */
  readonly limitBytesPerAccount?: number;
  readonly keepDays?: number;
  readonly usedBytes: number;
  readonly shards: number;
  /** Set when the disk fails or is full: what was declared to renters. */
  readonly trouble?: string;
}

export interface ProviderStatus {
  readonly on: boolean;
  readonly running: number;
  readonly done: number;
  readonly refused: number;
  /** Why no job, as a funnel: seen → refused → matched → ran → verified. */
  readonly funnel: Readonly<Record<string, number>>;
}

export interface FilesStatus {
  readonly objects: number;
  readonly bytes: number;
  readonly slabs: number;
  readonly shards: {
    readonly stored: number;
    readonly unproven: number;
    readonly lost: number;
    readonly repairing: number;
  };
  readonly hosts: readonly {
    readonly peer: PeerId;
    readonly name: string;
    readonly shards: number;
    readonly proven: boolean;
    /** Whether it is here; away, and missing or given up for dead after a while; or caught lying. */
    readonly state?: "ready" | "away" | "missing" | "dead" | "cheat";
  }[];
}

export interface RenderRequest {
  /** A `.glb` in the data directory's `incoming/`, or any readable path of this user. */
  readonly scene: string;
  readonly width: number;
  readonly height: number;
  readonly samples: number;
  readonly seed?: number;
  readonly bounces?: number;
}

export interface RunRequest {
  readonly module: string;
  /** One task each. */
  readonly inputs: readonly string[];
  readonly args?: readonly string[];
  readonly seed?: number;
  readonly memoryBytes?: number;
  readonly outputBytes?: number;
  readonly seconds?: number;
}

export type SharingEvent =
  | { readonly type: "peer"; readonly view: PeerView; readonly change: string; readonly reason?: string }
  | {
      readonly type: "traffic";
      readonly edges: readonly { readonly peer: PeerId; readonly sent: number; readonly received: number }[];
    }
  | { readonly type: "receipt"; readonly receipt: KeptReceipt }
  | FilesEvent
  | JobEvent
  | { readonly type: "host"; readonly status: HostStatus }
  | {
      /** This host removed what an account stored, as it has long had no terms. */
      readonly type: "expired";
      readonly account: string;
      readonly shards: number;
      readonly bytes: number;
    }
  | { readonly type: "provider"; readonly status: ProviderStatus };

/** What a presigned URL may do. */
export const PRESIGNED_METHODS = ["GET", "PUT", "POST", "DELETE"] as const;
export type PresignedMethod = (typeof PRESIGNED_METHODS)[number];
/** Parameters that a presigned URL may carry: those of uploads in parts, and how what is read is to be saved. */
export const PRESIGNED_PARAMETERS = [
  "encoding-type",
  "max-uploads",
  "part-number-marker",
  "partNumber",
  "prefix",
  "response-content-disposition",
  "uploadId",
  "uploads",
] as const;
export type PresignedParameter = (typeof PRESIGNED_PARAMETERS)[number];

/** Jobs on one page at most. */
export const MOST_JOBS = 1000;

export interface SharingControl {
  status(): Promise<SharingStatus>;
  invite(request: {
    readonly uses: number;
    readonly seconds: number;
  }): Promise<ControlResult<{ readonly link: string; readonly expires: number }>>;
  addPeer(request: { readonly link: string }): Promise<ControlResult<PeerView>>;
  peers(): Promise<readonly PeerView[]>;
  banPeer(request: { readonly peer: PeerId; readonly reason: string }): Promise<ControlResult<PeerView>>;
  forgetPeer(request: { readonly peer: PeerId }): Promise<ControlResult<null>>;
  /** As founder of a circle: takes a peer's account out of it, for every member that hears of it. */
  removeMember(request: { readonly peer: PeerId }): Promise<ControlResult<PeerView>>;
  deals(): Promise<
    readonly {
      readonly id: DealId;
      readonly service: string;
      readonly role: string;
      readonly peer: PeerId;
      readonly rail: string;
      readonly state: string;
      readonly until: number;
    }[]
  >;
  receipts(query: ReceiptQuery): Promise<readonly KeptReceipt[]>;
  /** Hosts from now on by these rules alone: what is left out has no limit. */
  startHost(request: HostRules): Promise<ControlResult<HostStatus>>;
  stopHost(): Promise<ControlResult<HostStatus>>;
  filesStatus(): Promise<ControlResult<FilesStatus>>;
  /** One page of a bucket (or of the buckets, when `bucket` is empty). */
  listFiles(request: {
    readonly bucket: string;
    readonly prefix: string;
    readonly after: string;
    readonly limit: number;
  }): Promise<
    ControlResult<{
      readonly entries: readonly {
        readonly key: string;
        readonly size: number;
        readonly modified: number;
        readonly versionId: string;
        readonly etag: string;
      }[];
      readonly next?: string;
    }>
  >;
  fileHealth(request: {
    readonly bucket: string;
    readonly key: string;
  }): Promise<ControlResult<readonly SlabHealth[]>>;
  makeBucket(request: { readonly bucket: string }): Promise<ControlResult<null>>;
  /** Refused where files, or earlier versions of files, are in it; and where uploads are, unless these are given up. */
  removeBucket(request: {
    readonly bucket: string;
    readonly giveUpUploads: boolean;
  }): Promise<ControlResult<null>>;
  removeFile(request: { readonly bucket: string; readonly key: string }): Promise<ControlResult<null>>;
  /**
   * A URL of the S3 door, good for one method and `seconds`; for the bucket itself where the key is empty. `query` says
   * which part of an upload is meant, in S3's own names.
   */
  presign(request: {
    readonly method: PresignedMethod;
    readonly bucket: string;
    readonly key: string;
    readonly seconds: number;
    readonly query?: Readonly<Partial<Record<PresignedParameter, string>>>;
  }): Promise<ControlResult<{ readonly url: string }>>;
  /** Credentials for S3 tools: made once, kept in the data directory. */
  s3Keys(): Promise<
    ControlResult<{
      readonly accessKey: string;
      readonly secretKey: string;
      readonly endpoint: string;
      readonly region: string;
    }>
  >;
  startProvider(): Promise<ControlResult<ProviderStatus>>;
  stopProvider(): Promise<ControlResult<ProviderStatus>>;
  render(request: RenderRequest): Promise<ControlResult<JobView>>;
  run(request: RunRequest): Promise<ControlResult<JobView>>;
  /** A page of jobs, the newest first; without the tasks of those that have ended, or that are too many to list. */
  jobs(query: JobQuery): Promise<readonly JobView[]>;
  job(request: { readonly id: string }): Promise<ControlResult<JobView>>;
  cancelJob(request: { readonly id: string }): Promise<ControlResult<JobView>>;
  /** Removes a job that has ended, and its folder with all that is in it. */
  removeJob(request: { readonly id: string }): Promise<ControlResult<JobView>>;
  /** Every event from now on, until the signal aborts. A slow reader loses the oldest `traffic` first. */
  events(signal: AbortSignal): AsyncIterable<SharingEvent>;
}
