/** Services that we do not offer: bloom filters (BIP37) and block filters (BIP157). */
import type { PeerContext } from "../context.ts";
import type { Peer } from "../peer.ts";
import type { MessageHandlers } from "./handler.ts";

const noBloom = (type: string) => ({
  after: "verack" as const,
  run(context: PeerContext, peer: Peer): void {
    context.disconnect(peer, `${type} received despite not offering bloom services`);
  },
});

const noBlockFilters = {
  after: "verack" as const,
  run(context: PeerContext, peer: Peer, { filterType }: { readonly filterType: number }): void {
    context.disconnect(peer, `peer requested unsupported block filter type: ${filterType}`);
  },
};

export const filterHandlers: MessageHandlers = {
  filterload: noBloom("filterload"),
  filteradd: noBloom("filteradd"),
  filterclear: noBloom("filterclear"),
  getcfilters: noBlockFilters,
  getcfheaders: noBlockFilters,
  getcfcheckpt: noBlockFilters,
};
