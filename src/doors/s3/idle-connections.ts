import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

/**
 * Clients keep connections for later by the hundred; those must not keep out one who has something to ask. Beyond
 * `most` connections, the one that has had nothing to do for longest is closed for each that opens. One whose answer is
 * not wholly handed to the system yet, or that was never asked on, is not idle.
 */
export function closeIdleBeyond(server: Server, most: number): void {
  const open = new Set<Socket>();
  /** Longest idle first. */
  const idle = new Set<Socket>();
  const underWay = new WeakMap<Socket, number>();
  const count = (socket: Socket, change: number): number => {
    const left = (underWay.get(socket) ?? 0) + change;
    underWay.set(socket, left);
    return left;
  };
  const begin = ({ socket }: IncomingMessage, response: ServerResponse): void => {
    idle.delete(socket);
    count(socket, 1);
    response.once("close", () => {
      if (count(socket, -1) === 0 && open.has(socket)) idle.add(socket);
    });
  };
  server.on("request", begin);
  server.on("checkContinue", begin);
  server.on("connection", (socket) => {
    open.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      idle.delete(socket);
    });
    let beyond = open.size - most;
    for (const longest of idle) {
      if (beyond-- <= 0) break;
      open.delete(longest);
      idle.delete(longest);
      longest.destroy();
    }
  });
}
