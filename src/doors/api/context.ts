import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { WalletManager } from "#money/wallet/wallet-manager.ts";
import type { EventHub } from "./event-hub.ts";
import type { LedgerView } from "./ledger-view.ts";
import type { SharingControl } from "./sharing-control.ts";

/** Whether the sharing process runs, and why not. */
export type SharingState =
  | { readonly state: "running"; readonly control: SharingControl }
  | { readonly state: "starting" | "off"; readonly reason: string };

/** What the routes work with; the node hands it over. */
export interface ApiContext {
  readonly version: string;
  /** The name this node gives itself. */
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Undefined with `-ledger=none`. */
  readonly ledger: LedgerView | undefined;
  /** Undefined with `-disablewallet`. */
  readonly wallets?: WalletManager | undefined;
  readonly sharing: () => SharingState;
  /** Where the S3 door listens, `http://127.0.0.1:9000`; the page uploads there. Undefined while it does not. */
  readonly s3Origin: () => string | undefined;
  readonly events: EventHub;
  /** Folder that takes uploads, such as scenes; absolute. */
  readonly incoming: string;
  /** Folder of the jobs' outputs; absolute. */
  readonly jobs: string;
}
