import type { SharingControl } from "#doors/api/sharing-control.ts";
import type { Libp2pMesh } from "#sharing/mesh/libp2p-mesh.ts";
import type { Outcome } from "#sharing/mesh/protocol.ts";

type MeshMethods = "invite" | "addPeer" | "peers" | "banPeer" | "forgetPeer" | "removeMember";

/** Who is around, invitations, bans, as the doors ask for it. */
export function meshControl(mesh: Libp2pMesh): Pick<SharingControl, MeshMethods> {
  return {
    async invite({ uses, seconds }) {
      return { ok: true, value: await mesh.createInvitation({ uses, seconds }) };
    },
    async addPeer({ link }) {
      return verdict(await mesh.addPeer(link));
    },
    peers: async () => mesh.peers(),
    async banPeer({ peer, reason }) {
      const known = mesh.view(peer);
      if (known === undefined) return { ok: false, reason: `no peer ${peer} is known` };
      mesh.ban(peer, reason);
      return { ok: true, value: mesh.view(peer) ?? known };
    },
    async forgetPeer({ peer }) {
      return (await mesh.forget(peer))
        ? { ok: true, value: null }
        : { ok: false, reason: `no peer ${peer} is known` };
    },
    async removeMember({ peer }) {
      return verdict(await mesh.removeMember(peer));
    },
  };
}

function verdict<T>(outcome: Outcome<T>): { ok: true; value: T } | { ok: false; reason: string } {
  return outcome.ok ? outcome : { ok: false, reason: outcome.refusal.text };
}
