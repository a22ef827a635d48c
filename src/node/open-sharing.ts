/** The ledger's side of the sharing process: what it may ask, what it is told, and what is made of what it tells. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import type { EventHub } from "#doors/api/event-hub.ts";
import type { ChainSource } from "#money/ports/chain-source.ts";
import { ACCOUNT_WALLET, type WalletsChange } from "#money/wallet/wallet-manager.ts";
import type { DataPaths } from "#node/config/data-directory.ts";
import type { ReadSettings } from "#node/config/read-settings.ts";
import { sharingBudget, sharingSettings } from "#node/config/sharing-options.ts";
import { VERSION } from "#node/config/version.ts";
import { FreeRail } from "#sharing/deals/free-rail.ts";
import { SharingFollower } from "./follow-sharing.ts";
import type { FriendLinks } from "./friend-links.ts";
import type { LedgerOffer } from "./ledger-offer.ts";
import { type ServedChain, serveChain } from "./link/chain-link.ts";
import { serveRails } from "./link/rail-link.ts";
import type { ServedMethods } from "./link/served-calls.ts";
import { PaymentBudget } from "./payment-budget.ts";
import type { SharingKeys } from "./sharing-keys.ts";
import type { SharingStart } from "./sharing-start.ts";
import { spawnSharing } from "./spawn-sharing.ts";
import { type SupervisedState, Supervisor } from "./supervisor.ts";

export interface SharingDependencies {
  readonly paths: DataPaths;
  readonly log: Logger;
  /** Undefined where the node has no chain. */
  readonly source: ChainSource | undefined;
  /** The keys of sharing, or why there are none now. */
  readonly keys: () => SharingKeys | string;
  /** Where friends reach our ledger, once it listens. */
  readonly ledgerOffer: () => LedgerOffer | undefined;
  /** `http://127.0.0.1:8420`; undefined while the API is shut. */
  readonly page: () => string | undefined;
  readonly events: EventHub | undefined;
  readonly friends: FriendLinks | undefined;
}

export class Sharing {
  readonly supervisor: Supervisor;
  readonly #follower: SharingFollower;
  readonly #events: EventHub | undefined;
  readonly #friends: FriendLinks | undefined;
  readonly #keys: () => SharingKeys | string;

  /** @throws ConfigError, or when the record of what was spent is damaged */
  static async open(read: ReadSettings, parts: SharingDependencies): Promise<Sharing> {
    const { paths, log } = parts;
    const settings = sharingSettings(read.settings, read.network);
    const budget = await PaymentBudget.open(
      sharingBudget(read.settings),
      join(paths.network, "sharing-budget.json"),
      { files: nodeDisk.files, clock: systemClock },
    );
    // Who is a friend the sharing process knows; on this rail nothing can be taken from us but its word.
    const rails = budget.enforce([new FreeRail(() => true)]);
    const start = (): SharingStart | string => {
      const keys = parts.keys();
      if (typeof keys === "string") return keys;
      mkdirSync(paths.sharing, { recursive: true, mode: 0o700 });
      mkdirSync(paths.incoming, { recursive: true, mode: 0o700 });
      const ledger = parts.ledgerOffer();
      const page = parts.page();
      return {
        ...settings,
        meshBind: [...settings.meshBind],
        folder: paths.sharing,
        incoming: paths.incoming,
        network: read.network.name,
        version: VERSION,
        keys: { account: keys.account, files: keys.files },
        ...(page === undefined ? {} : { page }),
        ...(ledger === undefined ? {} : { ledger: { ...ledger } }),
      };
    };
    let chain: ServedChain | undefined;
    const methods = (): ServedMethods => {
      chain = parts.source === undefined ? undefined : serveChain(parts.source);
      return { ...chain?.methods, ...serveRails(rails) };
    };
    const supervisor = new Supervisor({
      clock: systemClock,
      log,
      spawn: (childLog) => spawnSharing(childLog, read.settings.string("sharingprogram")),
      start,
      methods,
      gone: () => void chain?.end(),
    });
    return new Sharing(supervisor, parts);
  }

  private constructor(supervisor: Supervisor, parts: SharingDependencies) {
    this.supervisor = supervisor;
    this.#events = parts.events;
    this.#friends = parts.friends;
    this.#keys = parts.keys;
    this.#follower = new SharingFollower({
      clock: systemClock,
      log: parts.log,
      events: parts.events,
      friends: parts.friends,
      reachable: () => parts.ledgerOffer() !== undefined,
    });
  }

  /** Where the S3 door listens. */
  get s3Origin(): string | undefined {
    return this.#follower.s3Origin;
  }

  /** The account's wallet came, was locked or unlocked: the sharing process runs while its keys are there. */
  walletChanged({ name, change }: WalletsChange): void {
    if (name !== ACCOUNT_WALLET || change === "balance") return;
    const keys = this.#keys();
    if (typeof keys !== "string") this.supervisor.start();
    else if (this.supervisor.state.state !== "off") void this.supervisor.stop(keys);
  }

  /** The sharing process came, or went. */
  stateChanged(state: SupervisedState): void {
    if (state.state === "running") this.#follower.follow(state.control);
    else this.#follower.stop();
    this.#events?.emit({
      type: "sharing",
      state: state.state,
      ...(state.state === "running" ? {} : { reason: state.reason }),
    });
  }

  async close(): Promise<void> {
    this.#friends?.stop();
    await this.supervisor.stop("the node stops");
  }
}
