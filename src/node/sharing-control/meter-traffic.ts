import type { Clock } from "#base/lib/clock.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";

/** Bytes of the last second on one edge of the mesh. */
export interface EdgeTraffic {
  readonly peer: PeerId;
  readonly sent: number;
  readonly received: number;
}

const INTERVAL = 1000;

/** Tells each second what went over the edges, and once more when they have fallen silent. @returns what ends it */
export function meterTraffic(
  mesh: Mesh,
  clock: Clock,
  tell: (edges: readonly EdgeTraffic[]) => void,
): () => void {
  let before: ReadonlyMap<PeerId, { readonly sent: number; readonly received: number }> = new Map();
  let wasSilent = true;
  let cancel = clock.after(INTERVAL, measure);
  function measure(): void {
    const edges: EdgeTraffic[] = [];
    const now = new Map<PeerId, { readonly sent: number; readonly received: number }>();
    for (const { peer, bytesSent, bytesReceived } of mesh.peers()) {
      const last = before.get(peer) ?? { sent: bytesSent, received: bytesReceived };
      now.set(peer, { sent: bytesSent, received: bytesReceived });
      // A new connection counts anew.
      const sent = Math.max(0, bytesSent - last.sent);
      const received = Math.max(0, bytesReceived - last.received);
      if (sent + received > 0) edges.push({ peer, sent, received });
    }
    before = now;
    if (edges.length > 0 || !wasSilent) tell(edges);
    wasSilent = edges.length === 0;
    cancel = clock.after(INTERVAL, measure);
  }
  return () => cancel();
}
