/** What happens in the sharing process when something happens: every subscription between its parts, on one screen. */
import type { DealBook } from "#sharing/deals/deal-book.ts";
import type { Mesh } from "#sharing/mesh/mesh.ts";
import type { Files } from "#sharing/storage/files/files.ts";
import type { StorageHost } from "#sharing/storage/host/storage-host.ts";
import type { EventFan } from "./sharing-control/event-fan.ts";

export interface WiredSharing {
  readonly mesh: Mesh;
  readonly deals: DealBook;
  readonly host: StorageHost;
  readonly files: Files;
  readonly events: EventFan;
}

export function wireSharing({ mesh, deals, host, files, events }: WiredSharing): void {
  mesh.changed.on(({ kind, view, reason }) =>
    events.emit({ type: "peer", view, change: kind, ...(reason === undefined ? {} : { reason }) }),
  );
  deals.receipted.on((receipt) => events.emit({ type: "receipt", receipt }));
  host.changed.on((status) => events.emit({ type: "host", status }));
  files.events.on((event) => events.emit(event));
}
