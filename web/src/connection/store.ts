/**
 * What the page shows, kept up to date by the node's event stream. One store, read by `useNode`; events change it, and
 * whatever an event does not carry is asked for again, at most twice a second.
 */
import { useSyncExternalStore } from "react";
import { api, isLoginLink, logInByLink, Refused, whenLockedOut } from "./api.ts";
import type {
  BlockView,
  FileEntry,
  FilesStatus,
  JobView,
  KeptReceipt,
  NodeStatus,
  PageEvent,
  PaymentView,
  PeerView,
  SlabHealth,
  WalletView,
} from "./views.ts";

export interface Cheat {
  readonly peer: string;
  readonly name: string;
  readonly job: string;
  readonly task: number;
  readonly reason: string;
}

/** Bytes a second on the edge to a peer, in the last interval. */
export interface Traffic {
  readonly sent: number;
  readonly received: number;
}

export interface NodeState {
  readonly connection: "loading" | "open" | "lost" | "locked-out";
  readonly status: NodeStatus | undefined;
  /** Milliseconds that the node's clock is ahead of this browser's. */
  readonly ahead: number;
  readonly blocks: readonly BlockView[];
  /** Undefined: not known. */
  readonly peers: readonly PeerView[] | undefined;
  readonly traffic: ReadonlyMap<string, Traffic>;
  /** A text: why there is none, empty where none was made. Undefined: not known yet. */
  readonly wallet: WalletView | string | undefined;
  readonly payments: readonly PaymentView[];
  readonly files: FilesStatus | undefined;
  readonly buckets: readonly string[];
  readonly bucket: string | undefined;
  readonly objects: readonly FileEntry[];
  /** Whether the bucket holds more than is shown. */
  readonly hasMore: boolean;
  /** Grows when a shard changed its state. */
  readonly healthVersion: number;
  /** Slabs in repair, held long enough to be seen, as a repair may take a moment only. */
  readonly repairs: ReadonlyMap<string, SlabHealth>;
  readonly jobs: readonly JobView[];
  readonly receipts: readonly KeptReceipt[];
  readonly cheats: readonly Cheat[];
}

const BLOCKS = 12;
const RECEIPTS = 50;
/** Jobs kept at most, however long the page stands open. */
const JOBS = 50;
/** Files of a bucket that are listed, and at most when more are asked for. */
const LISTED = { first: 200, most: 1000 };
/** The wallet that the words stand for. */
const WALLET = "freehold";
/** Milliseconds that a part waits before it is asked for again, so that a burst of events is one question. */
const SETTLE = 400;
/** Milliseconds for which a repair stays on the screen. */
const SEEN = 1500;
/** Milliseconds until the node is asked again after it refused the stream of events. */
const RETRY = 1000;
const LONGEST_PAUSE = 60_000;

const EMPTY: NodeState = {
  connection: "loading",
  status: undefined,
  ahead: 0,
  blocks: [],
  peers: undefined,
  traffic: new Map(),
  wallet: undefined,
  payments: [],
  files: undefined,
  buckets: [],
  bucket: undefined,
  objects: [],
  hasMore: false,
  healthVersion: 0,
  repairs: new Map(),
  jobs: [],
  receipts: [],
  cheats: [],
};
let state = EMPTY;
const listeners = new Set<() => void>();

function change(part: Partial<NodeState>): void {
  state = { ...state, ...part };
  for (const listener of listeners) listener();
}

export function useNode(): NodeState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

type Part = "status" | "blocks" | "peers" | "wallet" | "files" | "health" | "objects" | "jobs" | "receipts";

/** How each part is asked for. Nothing is asked of what does not run; then it is empty. */
const LOADERS: Readonly<Record<Part, () => Promise<Partial<NodeState>>>> = {
  status: async () => {
    const status = await api.get<NodeStatus>("/status");
    reachDisk(status.sharing.s3);
    const isNews = state.status?.sharing.state !== status.sharing.state;
    if (isNews && state.status !== undefined) refresh(...SHARED);
    return { status, ahead: status.now - Date.now(), ...(isSharing(status) ? {} : GONE) };
  },
  blocks: async () => {
    if (state.status?.ledger === null) return { blocks: [] };
    return { blocks: await api.get<BlockView[]>(`/blocks?count=${BLOCKS}`) };
  },
  peers: async () => (isSharing() ? { peers: await api.get<PeerView[]>("/peers") } : {}),
  wallet: async () => {
    try {
      const wallet = (await api.get<WalletView[]>("/wallets")).find(({ name }) => name === WALLET);
      if (wallet === undefined) return { wallet: "", payments: [] };
      return { wallet, payments: await api.get<PaymentView[]>("/wallet/history?limit=20&mined=false") };
    } catch (error) {
      if (error instanceof Refused && error.status === 503) return { wallet: error.message, payments: [] };
      throw error;
    }
  },
  files: async () => {
    if (!isSharing()) return {};
    const files = await api.get<FilesStatus>("/files");
    const buckets = (await api.get<{ entries: FileEntry[] }>("/files/buckets")).entries.map(({ key }) => key);
    const bucket = buckets.includes(state.bucket ?? "") ? state.bucket : buckets[0];
    return { files, buckets, bucket, ...(await objectsOf(bucket)) };
  },
  health: async () => ({ healthVersion: state.healthVersion + 1 }),
  objects: async () => (isSharing() ? await objectsOf(state.bucket) : {}),
  jobs: async () => {
    if (!isSharing()) return {};
    const jobs = [...(await api.get<JobView[]>("/jobs"))].sort((a, b) => b.created - a.created);
    // The list leaves out the tasks of what has ended; the one that is shown needs them.
    const shown = jobs.findIndex(({ kind }) => kind === "render");
    const job = jobs[shown];
    if (job?.tasks.length === 0) jobs[shown] = await api.get<JobView>(`/jobs/${job.id}`);
    return { jobs };
  },
  receipts: async () =>
    isSharing() ? { receipts: await api.get<KeptReceipt[]>(`/receipts?limit=${RECEIPTS}`) } : {},
};

/** What the sharing process answers for. */
const SHARED = ["peers", "files", "health", "jobs", "receipts"] as const satisfies readonly Part[];
/** What nobody can say while it does not run: who is connected, and how the files are. */
const GONE = {
  peers: undefined,
  traffic: new Map(),
  files: undefined,
  buckets: [],
  objects: [],
  hasMore: false,
};

function isSharing(status = state.status): boolean {
  return status?.sharing.state === "running";
}

/** Where the page's policy lets it send files: the node says so beside the policy, which no script can read. */
function diskOfPolicy(): string | undefined {
  const [page] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return page?.serverTiming.find(({ name }) => name === "disk")?.description;
}

/** The door of the disk opened, or moved, after the page came: its policy would keep files out, so it comes anew. */
function reachDisk(door: string | undefined): void {
  const known = diskOfPolicy();
  if (door === undefined || door === known || sessionStorage.getItem("disk") === door) return;
  sessionStorage.setItem("disk", door);
  location.reload();
}

let listed = LISTED.first;

async function objectsOf(bucket: string | undefined): Promise<Pick<NodeState, "objects" | "hasMore">> {
  if (bucket === undefined) return { objects: [], hasMore: false };
  const query = new URLSearchParams({ bucket, limit: String(listed) });
  const page = await api.get<{ entries: FileEntry[]; next?: string }>(`/files/objects?${query}`);
  return { objects: page.entries, hasMore: page.next !== undefined };
}

/** Lists as many files as the node names at once. */
export function listMore(): void {
  listed = LISTED.most;
  void load("objects");
}

/** Whether {@link listMore} would list more. */
export function canListMore(): boolean {
  return listed < LISTED.most;
}

const waiting = new Map<Part, number>();

/** Asks for a part again soon; several wishes in a short time are one. */
export function refresh(...parts: readonly Part[]): void {
  for (const part of parts) {
    if (waiting.has(part)) continue;
    waiting.set(
      part,
      window.setTimeout(() => {
        waiting.delete(part);
        void load(part);
      }, SETTLE),
    );
  }
}

const loading = new Set<Part>();
const again = new Set<Part>();

/** One question a part at a time, so that no older answer comes after a newer one. */
async function load(part: Part): Promise<void> {
  if (loading.has(part)) {
    again.add(part);
    return;
  }
  loading.add(part);
  try {
    change(await LOADERS[part]());
    trials.delete(part);
  } catch (error) {
    // What was known stays. A node that is gone, or knows this browser no more, is told of where it is found.
    if (error instanceof Refused && error.status > 401) loadLater(part);
  } finally {
    loading.delete(part);
    if (again.delete(part)) void load(part);
  }
}

const trials = new Map<Part, number>();

/** What is not ready, as files are just after a start, is asked for again, less and less often. */
function loadLater(part: Part): void {
  const trial = trials.get(part) ?? 0;
  trials.set(part, trial + 1);
  const pause = Math.min(RETRY * 2 ** trial, LONGEST_PAUSE);
  window.setTimeout(() => {
    if (trials.get(part) === trial + 1 && state.connection === "open") void load(part);
  }, pause);
}

export function chooseBucket(bucket: string): void {
  listed = LISTED.first;
  change({ bucket, objects: [], hasMore: false });
  void load("objects");
}

/** Logs in, loads everything, and follows what happens from then on. */
export async function start(): Promise<void> {
  // A fresh link that is opened where the page already stands changes only what is behind the #.
  window.addEventListener("hashchange", () => {
    if (isLoginLink()) void enter();
  });
  // Another tab may have logged this browser in again.
  window.addEventListener("focus", () => {
    if (state.connection === "locked-out") void enter();
  });
  // A browser opens only six lines to a node, for all its tabs together: one that nobody sees holds none of them.
  document.addEventListener("visibilitychange", () => {
    if (state.connection === "locked-out") return;
    if (document.hidden) leave();
    else void enter();
  });
  whenLockedOut(lockOut);
  await enter();
}

let events: EventSource | undefined;
let login: object = {};

/** The same as long as this browser stays logged in. */
export function session(): object {
  return login;
}

async function enter(): Promise<void> {
  try {
    await logInByLink();
    await api.get("/status");
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return lockOut();
    change({ connection: "lost" });
  }
  if (document.hidden) await loadAll();
  else follow();
}

function leave(): void {
  events?.close();
  events = undefined;
}

function lockOut(): void {
  leave();
  login = {};
  change({ ...EMPTY, connection: "locked-out" });
}

/** First what runs at all, then everything else. */
async function loadAll(): Promise<void> {
  await load("status");
  for (const part of Object.keys(LOADERS) as Part[]) if (part !== "status") void load(part);
}

function follow(): void {
  events?.close();
  const stream = new EventSource("/api/events");
  events = stream;
  stream.addEventListener("open", () => {
    change({ connection: "open" });
    // Whatever happened while nobody listened.
    void loadAll();
  });
  stream.addEventListener("error", () => {
    change({ connection: "lost" });
    // The browser tries again by itself after a broken line, and never after an answer that is no stream.
    if (stream.readyState !== EventSource.CLOSED) return;
    window.setTimeout(() => {
      if (events === stream && state.connection === "lost") void enter();
    }, RETRY);
  });
  stream.addEventListener("message", ({ data }) => apply(JSON.parse(data as string) as PageEvent));
}

type Handlers = { readonly [T in PageEvent["type"]]: (event: PageEvent & { readonly type: T }) => void };

const HANDLERS: Handlers = {
  block: () => refresh("blocks", "status", "wallet"),
  mempool: () => refresh("status"),
  wallet: () => refresh("wallet"),
  sharing: () => void load("status"),
  peer: ({ view }) => {
    change({ peers: [...(state.peers ?? []).filter(({ peer }) => peer !== view.peer), view] });
    refresh("files", "health");
  },
  traffic: ({ edges }) => change({ traffic: new Map(edges.map(({ peer, ...bytes }) => [peer, bytes])) }),
  receipt: ({ receipt }) => addReceipt(receipt),
  object: () => refresh("files"),
  slab: ({ health }) => {
    if (health.shards.some((shard) => shard.state === "repairing")) holdRepair(health);
    refresh("files", "health");
  },
  holder: () => refresh("files", "health"),
  repair: () => refresh("files", "health"),
  job: ({ job }) => putJob(job),
  "job-removed": () => refresh("jobs"),
  task: ({ job, task }) => putTask(job, task),
  cheat: ({ type: _, ...cheat }) => change({ cheats: [cheat, ...state.cheats].slice(0, 20) }),
  host: () => refresh("status"),
  expired: () => refresh("status"),
  provider: () => refresh("status"),
};

function apply<T extends PageEvent["type"]>(event: PageEvent & { readonly type: T }): void {
  // A newer node may tell of things that this page has no picture for.
  const handler: ((event: PageEvent & { readonly type: T }) => void) | undefined = HANDLERS[event.type];
  handler?.(event);
}

function holdRepair(health: SlabHealth): void {
  change({ repairs: new Map(state.repairs).set(health.slab, health) });
  window.setTimeout(() => {
    if (state.repairs.get(health.slab) !== health) return;
    const repairs = new Map(state.repairs);
    repairs.delete(health.slab);
    change({ repairs });
  }, SEEN);
}

function addReceipt(receipt: KeptReceipt): void {
  // An audit that held is a proof for shards that had none.
  if (receipt.service === "storage") refresh("files", "health");
  const isSame = (other: KeptReceipt) => other.deal === receipt.deal && other.sequence === receipt.sequence;
  change({ receipts: [receipt, ...state.receipts.filter((other) => !isSame(other))].slice(0, RECEIPTS) });
}

function putJob(job: JobView): void {
  const known = state.jobs.find(({ id }) => id === job.id);
  const others = state.jobs.filter(({ id }) => id !== job.id);
  const whole = job.tasks.length === 0 && known !== undefined ? { ...job, tasks: known.tasks } : job;
  change({ jobs: [whole, ...others].sort((a, b) => b.created - a.created).slice(0, JOBS) });
}

function putTask(id: string, task: JobView["tasks"][number]): void {
  const job = state.jobs.find((other) => other.id === id);
  if (job === undefined) refresh("jobs");
  else putJob({ ...job, tasks: job.tasks.map((other) => (other.index === task.index ? task : other)) });
}
