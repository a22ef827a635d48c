/**
 * Bytes by what they are: a content's id is the Merkle root of its 256 KiB chunks (docs/protocols/compute.md, "Content"),
 * so any peer that has a chunk can serve it and none can forge it. Held in a bounded store; what is pinned stays.
 */
import type { PeerId } from "#sharing/mesh/mesh.ts";

/** SHA-256 Merkle root over the chunks, domain-separated, with the length bound in; hex. */
export type ContentId = string & { readonly brand?: "ContentId" };

export interface ContentStore {
  /** Adds bytes from this machine; pinned until `unpin`. */
  add(
    bytes: Uint8Array | AsyncIterable<Uint8Array>,
  ): Promise<{ readonly id: ContentId; readonly length: number }>;
  has(id: ContentId): Promise<boolean>;
  /** The whole content. @throws when it is not here or longer than `maxLength`. */
  read(id: ContentId, maxLength?: number): Promise<Uint8Array>;
  pin(id: ContentId): void;
  unpin(id: ContentId): void;
  /** Bytes held, and the most that may be. */
  readonly usedBytes: number;
  readonly limitBytes: number;
}

export interface ContentFetcher {
  /**
   * Fetches what is missing from any of `peers` (several at once, each chunk checked against the root, a peer that
   * sends a false chunk reported to the mesh and left out).
   * @returns false with a reason when no peer had it, or it is longer than `maxLength`.
   */
  fetch(
    id: ContentId,
    peers: readonly PeerId[],
    options: { readonly maxLength: number; readonly signal?: AbortSignal },
  ): Promise<{ readonly ok: true } | { readonly ok: false; readonly reason: string }>;
}
