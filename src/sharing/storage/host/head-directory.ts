/**
 * Who says to hold records of which head key: how a machine that has nothing but the words and one peer's address
 * finds the rest. Hosts announce their keys to the peers they are connected to; what a peer announced is bounded and
 * forgotten, oldest first; a stranger's is bounded more closely and forgotten when it goes, so that identities which cost
 * nothing drive no friend's out. A false announcement costs a wasted request.
 */
import { toHex } from "#base/lib/bytes.ts";
import type { Mesh, PeerId } from "#sharing/mesh/mesh.ts";
import { type HeadHolder, MAX_ANNOUNCED_KEYS, MAX_HOLDERS, storageProtocol } from "../messages.ts";

/** Most keys of one friend, and of one stranger. */
const KEYS_A_FRIEND = 8_192;
const KEYS_A_STRANGER = 512;
/** Most peers remembered. */
const PEERS = 1_024;
const ADDRESSES = 8;

export class HeadDirectory {
  readonly #mesh: Mesh;
  readonly #announced = new Map<PeerId, Set<string>>();
  /** Keys whose records are here. */
  readonly #own = new Map<string, Uint8Array>();
  readonly #off: () => void;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
    this.#off = mesh.changed.on(({ kind, view }) => {
      if (kind === "connected" && this.#own.size > 0)
        this.#announce(view.peer, true, [...this.#own.values()]);
      const isStranger = view.standing !== "friend";
      if (kind === "banned" || (kind === "disconnected" && isStranger)) this.#announced.delete(view.peer);
    });
  }

  /** Takes in what a peer announced. */
  announced(peer: PeerId, isFirst: boolean, headKeys: readonly Uint8Array[]): void {
    const keys = isFirst ? new Set<string>() : (this.#announced.get(peer) ?? new Set<string>());
    // Who spoke last stands last.
    this.#announced.delete(peer);
    this.#announced.set(peer, keys);
    const most = this.#mesh.view(peer)?.standing === "friend" ? KEYS_A_FRIEND : KEYS_A_STRANGER;
    for (const key of headKeys) if (keys.size < most) keys.add(toHex(key));
    for (const oldest of this.#announced.keys()) {
      if (this.#announced.size <= PEERS) break;
      this.#announced.delete(oldest);
    }
  }

  /** Who announced a key, connected peers first. */
  holders(headKey: Uint8Array): HeadHolder[] {
    const name = toHex(headKey);
    const found: { readonly connected: boolean; readonly holder: HeadHolder }[] = [];
    for (const [peer, keys] of this.#announced) {
      if (!keys.has(name)) continue;
      const view = this.#mesh.view(peer);
      const addresses = (view?.addresses ?? []).slice(0, ADDRESSES).filter((text) => text.length <= 256);
      found.push({ connected: view?.connected === true, holder: { peer, addresses } });
    }
    found.sort((a, b) => Number(b.connected) - Number(a.connected));
    return found.slice(0, MAX_HOLDERS).map(({ holder }) => holder);
  }

  /** Records of this key are here now; everyone connected is told. */
  add(headKey: Uint8Array): void {
    this.#own.set(toHex(headKey), headKey);
    this.#tellAll(false, [headKey]);
  }

  /** Replaces all own keys, and tells everyone connected. */
  replace(headKeys: readonly Uint8Array[]): void {
    this.#own.clear();
    for (const key of headKeys) this.#own.set(toHex(key), key);
    this.#tellAll(true, headKeys);
  }

  close(): void {
    this.#off();
  }

  #tellAll(isFirst: boolean, headKeys: readonly Uint8Array[]): void {
    for (const { peer, connected } of this.#mesh.peers()) {
      if (connected) this.#announce(peer, isFirst, headKeys);
    }
  }

  /** Nobody waits for the answer: who missed it hears it at the next connection. */
  #announce(peer: PeerId, isFirst: boolean, headKeys: readonly Uint8Array[]): void {
    const { methods } = storageProtocol;
    for (let at = 0; at === 0 || at < headKeys.length; at += MAX_ANNOUNCED_KEYS) {
      const page = headKeys.slice(at, at + MAX_ANNOUNCED_KEYS);
      const message = { first: isFirst && at === 0, headKeys: page };
      void this.#mesh.call(peer, storageProtocol, methods["announce-heads"], message);
    }
  }
}
