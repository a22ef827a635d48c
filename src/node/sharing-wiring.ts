/** What happens in the sharing process when something happens: every subscription between its parts, on one screen. */
import type { Clock } from "#base/lib/clock.ts";
import type { Compute } from "#sharing/compute/open-compute.ts";
import type { DealBook } from "#sharing/deals/deal-book.ts";
import type { Mesh } from "#sharing/mesh/mesh.ts";
import type { Files } from "#sharing/storage/files/files.ts";
import type { StorageHost } from "#sharing/storage/host/storage-host.ts";
import type { EventFan } from "./sharing-control/event-fan.ts";
import { meterTraffic } from "./sharing-control/meter-traffic.ts";

export interface WiredSharing {
  readonly mesh: Mesh;
  readonly deals: DealBook;
  readonly host: StorageHost;
  readonly files: Files;
  readonly compute: Compute;
  readonly events: EventFan;
  readonly clock: Clock;
}

/** @returns what ends it */
export function wireSharing(parts: WiredSharing): () => void {
  const { mesh, deals, host, files, compute, events, clock } = parts;
  mesh.changed.on(({ kind, view, reason }) =>
    events.emit({ type: "peer", view, change: kind, ...(reason === undefined ? {} : { reason }) }),
  );
  deals.receipted.on((receipt) => events.emit({ type: "receipt", receipt }));
  host.changed.on((status) => events.emit({ type: "host", status }));
  host.expired.on((what) => events.emit({ type: "expired", ...what }));
  files.events.on((event) => events.emit(event));
  compute.requester.events.on((event) => events.emit(event));
  compute.provider.changed.on((status) => events.emit({ type: "provider", status }));
  return meterTraffic(mesh, clock, (edges) => events.emit({ type: "traffic", edges }));
}
