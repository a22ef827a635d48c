import { BlockList, isIP } from "node:net";
import type { SocketLayer } from "#ledger/peers/socket.ts";
import type { Settings } from "#node/config/settings.ts";

/** Shown to the user, and in the warnings of getnetworkinfo. */
export const PROXY_WARNING =
  "-proxy is set, but this version cannot connect through a proxy: it opens no connection beyond this machine.";

/** Networks that a proxy may be for without hiding the address that everyone else sees. */
const OTHER_NETWORKS = /=(onion|tor|i2p|cjdns)$/;

/** Whether the user wants peers to be reached through a proxy alone. */
export function wantsProxy(settings: Settings): boolean {
  return settings.list("proxy").some((value) => value !== "" && value !== "0" && !OTHER_NETWORKS.test(value));
}

/** Sockets that reach this machine alone: to go around a proxy would tell the world what it was to hide. */
export function loopbackOnly(sockets: SocketLayer): SocketLayer {
  const loopback = new BlockList();
  loopback.addSubnet("127.0.0.0", 8, "ipv4");
  loopback.addAddress("::1", "ipv6");
  return {
    dial(target, options) {
      const family = isIP(target.host) === 6 ? "ipv6" : "ipv4";
      if (isIP(target.host) !== 0 && loopback.check(target.host, family))
        return sockets.dial(target, options);
      return Promise.reject(new Error("it would go around the proxy"));
    },
    listen: (endpoint, accept) => sockets.listen(endpoint, accept),
    resolve: async () => [],
    interfaces: () => [],
  };
}
