/**
 * The sharing process of a host that tells of old heads: it says yes to each new one, drops it, and goes on serving
 * the first few that it was given.
 */
import { Socket } from "node:net";
import { serveSharing } from "#node/sharing-process.ts";
import { accept } from "#sharing/mesh/protocol.ts";
import { decodeHeadRecord } from "#sharing/storage/head-record.ts";
import { Heads } from "#sharing/storage/host/heads.ts";

/** Heads that it keeps, of each device under a key. */
const KEPT = 3;

const put = Heads.prototype.put;
const counts = new Map<string, number>();
Heads.prototype.put = async function (account, bytes) {
  const { device, sequence } = decodeHeadRecord(bytes);
  const name = Buffer.from(device).toString("hex");
  const count = (counts.get(name) ?? 0) + 1;
  counts.set(name, count);
  return count <= KEPT ? put.call(this, account, bytes) : accept({ sequence, newKey: undefined });
};

const ended = await serveSharing(new Socket({ fd: 3, readable: true, writable: true }));
process.exit(ended === "stopped" ? 0 : 1);
