import type { Mesh, RequestContext } from "#sharing/mesh/mesh.ts";
import { accept, refuse } from "#sharing/mesh/protocol.ts";
import type { ChunkStore } from "./chunk-store.ts";
import { CONTENT_PROTOCOL } from "./content-messages.ts";

/** Serves contents to peers that may have them: friends, and whoever works for us. */
export function serveContents(parts: {
  readonly mesh: Mesh;
  readonly store: ChunkStore;
  readonly mayFetch: (from: RequestContext) => boolean;
}): void {
  const { mesh, store, mayFetch } = parts;
  const refused = refuse("not-allowed", "contents are for friends and for peers with open terms");
  mesh.serve(CONTENT_PROTOCOL, {
    async describe({ id }, from) {
      if (!mayFetch(from)) return refused;
      const list = store.describe(id);
      return list === undefined
        ? refuse("not-found", "this content is not here")
        : accept({ length: list.length, leaves: list.leaves });
    },
    async chunk({ id, index }, from) {
      if (!mayFetch(from)) return refused;
      const bytes = await store.chunk(id, index);
      return bytes === undefined ? refuse("not-found", "this chunk is not here") : accept({ bytes });
    },
  });
}
