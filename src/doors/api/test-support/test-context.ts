import { join } from "node:path";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import type { ApiContext, SharingState } from "../context.ts";
import { EventHub } from "../event-hub.ts";

/** A node with neither ledger nor wallets, for routes that ask for neither; its files go below `folder`. */
export function testContext(folder: string, sharing: SharingState): ApiContext {
  return {
    version: "0.1.0",
    name: "Alice",
    clock: systemClock,
    log: silentLogger,
    ledger: undefined,
    sharing: () => sharing,
    s3Origin: () => undefined,
    events: new EventHub(),
    incoming: join(folder, "incoming"),
    jobs: join(folder, "jobs"),
  };
}
