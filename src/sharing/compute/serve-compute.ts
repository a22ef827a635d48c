/** Both sides of `/freehold/compute/1` on one mesh: a node is provider and requester at once. */
import type { Mesh } from "#sharing/mesh/mesh.ts";
import { COMPUTE_PROTOCOL } from "./compute-protocol.ts";
import type { Provider } from "./provider/provider.ts";
import type { Requester } from "./requester/requester.ts";

/** Answers the protocol: the provider its six methods, the requester `progress`. */
export function serveCompute(mesh: Mesh, provider: Provider, requester: Requester): void {
  mesh.serve(COMPUTE_PROTOCOL, {
    ask: async (request, from) => provider.ask(request, from),
    assign: async (request, from) => provider.assign(request, from),
    output: async (request, from) => provider.output(request, from),
    reveal: async (request, from) => provider.reveal(request, from),
    cancel: async (request, from) => provider.cancel(request, from),
    verdict: async (request, from) => provider.verdict(request, from),
    progress: async (request, from) => requester.progress(request, from),
  });
}
