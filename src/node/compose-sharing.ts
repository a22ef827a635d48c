/**
 * The composition root of the sharing process: opens every part in order, hands each what it needs, and closes them in
 * reverse when the stack is disposed of.
 */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { systemClock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import type { SharingControl } from "#doors/api/sharing-control.ts";
import type { S3Server } from "#doors/s3/server.ts";
import type { TaskRunner } from "#sharing/compute/core/task-runner.ts";
import { Compute } from "#sharing/compute/open-compute.ts";
import { ChunkStore } from "#sharing/content/chunk-store.ts";
import { ContentDownloads } from "#sharing/content/fetch-content.ts";
import { serveContents } from "#sharing/content/serve-contents.ts";
import { DealBook } from "#sharing/deals/deal-book.ts";
import { Libp2pMesh } from "#sharing/mesh/libp2p-mesh.ts";
import type { PeerId } from "#sharing/mesh/mesh.ts";
import { Files } from "#sharing/storage/files/files.ts";
import { StorageHost } from "#sharing/storage/host/storage-host.ts";
import { endingDisk } from "./ending-disk.ts";
import { FriendRail } from "./friend-rail.ts";
import { encodeLedgerOffer } from "./ledger-offer.ts";
import { LinkedRail } from "./link/rail-link.ts";
import type { Link } from "./link.ts";
import { computeControl, sellCompute } from "./sharing-control/compute-control.ts";
import { dealsControl } from "./sharing-control/deals-control.ts";
import { EventFan } from "./sharing-control/event-fan.ts";
import { filesControl } from "./sharing-control/files-control.ts";
import { hostControl, keepMsOf, sellStorage } from "./sharing-control/host-control.ts";
import { openHostSwitch } from "./sharing-control/host-switch.ts";
import { meshControl } from "./sharing-control/mesh-control.ts";
import { openS3Keys } from "./sharing-control/s3-keys.ts";
import type { SharingStart } from "./sharing-start.ts";
import { wireSharing } from "./sharing-wiring.ts";

export interface SharingParts {
  readonly link: Link;
  readonly log: Logger;
  readonly stack: AsyncDisposableStack;
  /** Ends the process: what is on disk can be trusted, what is in memory no longer. */
  readonly failed: (error: Error) => void;
  /** Runs what the provider is given in place of our own runner; the story's dishonest peer hands one in. */
  readonly providerRunner?: (honest: TaskRunner) => TaskRunner;
}

/** The region that S3 tools sign for. */
const REGION = "us-east-1";
/** Bytes that contents of tasks may take on disk. */
const CONTENT_BYTES = 2 * 2 ** 30;
/** Ports tried after the one that is taken, where nobody chose it. */
const NEXT_PORTS = 20;

/** @throws Error with a text for the user */
export async function composeSharing(start: SharingStart, parts: SharingParts): Promise<SharingControl> {
  const { link, log, stack } = parts;
  const clock = systemClock;
  const random = secureRandom;
  const disk = nodeDisk;
  // The host opens its own store anew after a failure; everything else starts again with the process.
  const strict = endingDisk(disk, (error) => parts.failed(error));
  const within = (name: string) => join(start.folder, name);
  const events = new EventFan();
  const startedAt = clock.now();

  const mesh = await Libp2pMesh.open(
    {
      directory: start.folder,
      accountSecret: start.keys.account,
      name: start.name,
      listen: start.meshBind,
      orAnyPort: start.meshOrAny,
      mdns: start.mdns,
    },
    { files: disk.files, clock, random, logger: log },
  );
  stack.defer(() => mesh.close());
  if (start.ledger !== undefined) mesh.offer("ledger", encodeLedgerOffer(start.ledger));

  const rails = [
    new FriendRail(new LinkedRail(link, "free"), (peer) => mesh.view(peer)?.standing === "friend"),
  ];
  const deals = await DealBook.open({
    mesh,
    disk: strict,
    folder: within("deals"),
    clock,
    random,
    log,
    rails,
  });
  stack.defer(() => deals.stop());

  const hosting = await openHostSwitch(disk.files, within("host.json"));
  const { on: hostsNow, ...rules } = hosting.state;
  const host = new StorageHost({
    ...{ mesh, deals, disk, folder: within("host"), clock, random, log },
    ...rules,
    keepMs: keepMsOf(rules),
  });
  stack.defer(() => host.stop());
  if (hostsNow) {
    sellStorage(deals, host);
    await host.start().catch((error: Error) => log.error(`hosting could not start: ${error.message}`));
  }

  const files = new Files({
    ...{ mesh, deals, disk: strict, clock, random, log },
    folder: within("files"),
    filesKey: start.keys.files,
    policy: policyOf(start.files),
    workers: Math.max(1, Math.min(4, availableParallelism() - 1)),
  });
  await files.start();
  stack.defer(() => files.stop());

  const credentials = await openS3Keys(disk.files, within("s3-keys.json"), random);
  const [{ createS3Server }, { pageOrigins }] = await Promise.all([
    import("#doors/s3/server.ts"),
    import("#doors/s3/cors.ts"),
  ]);
  const s3 = createS3Server({
    ...{ files, clock, log, random },
    credentials: [credentials],
    region: REGION,
    corsOrigins: start.page === undefined ? [] : pageOrigins(start.page),
    baseDomains: ["localhost"],
  });
  const { url } = await listen(s3, start);
  stack.defer(() => s3.close());

  const store = await ChunkStore.open(disk.files, within("content"), CONTENT_BYTES);
  // Friends, and whoever works for us, may fetch what a task is made of.
  const worksForUs = (peer: PeerId) =>
    deals
      .list()
      .some(({ role, state, terms }) => role === "buyer" && state === "open" && terms.seller === peer);
  serveContents({
    mesh,
    store,
    mayFetch: ({ peer, standing }) => standing === "friend" || worksForUs(peer),
  });
  const fetcher = new ContentDownloads(mesh, store);
  const compute = await Compute.open(
    parts.providerRunner === undefined ? {} : { providerRunner: parts.providerRunner },
    { mesh, deals, store, fetcher, clock, random, log, disk, folder: start.folder },
  );
  stack.defer(() => compute.close());
  if (compute.provider.status().on) sellCompute(deals);

  stack.defer(wireSharing({ mesh, deals, host, files, compute, events, clock }));
  return {
    async status() {
      return {
        peer: mesh.self,
        account: mesh.account,
        name: start.name,
        listening: mesh.listening,
        s3: url,
        startedAt,
        host: host.status(),
        provider: compute.provider.status(),
      };
    },
    ...meshControl(mesh),
    ...dealsControl(deals),
    ...hostControl(host, deals, (state) => hosting.remember(state)),
    ...filesControl({ files, endpoint: url, region: REGION, credentials, clock }),
    ...computeControl(compute, deals),
    events: (signal) => events.follow(signal),
  };
}

function policyOf({ shards, diversity, auditEpoch, awayAfter, deadAfter }: SharingStart["files"]) {
  return {
    diversity,
    epochSeconds: auditEpoch,
    awaySeconds: awayAfter,
    deadSeconds: deadAfter,
    ...(shards === undefined ? {} : { scheme: shards }),
  };
}

/** @throws Error when the port is taken */
async function listen(server: S3Server, start: SharingStart): Promise<{ readonly url: string }> {
  const { s3Port, s3OrNext } = start;
  const last = s3OrNext && s3Port !== 0 ? s3Port + NEXT_PORTS : s3Port;
  for (let port = s3Port; ; port++) {
    try {
      return await server.listen({ host: "127.0.0.1", port });
    } catch (error) {
      if (port >= last) {
        throw new Error(`the S3 door cannot listen on 127.0.0.1:${port}: ${(error as Error).message}`);
      }
    }
  }
}
