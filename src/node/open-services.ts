/** Opens what a plain node does not have: the sharing process and the API. */
import { systemClock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { SharingState } from "#doors/api/context.ts";
import { EventHub } from "#doors/api/event-hub.ts";
import { ledgerView } from "#doors/api/ledger-view.ts";
import type { WalletManager } from "#money/wallet/wallet-manager.ts";
import type { DataPaths } from "#node/config/data-directory.ts";
import type { ReadSettings } from "#node/config/read-settings.ts";
import { apiPort, sharingSettings, wantsSharing } from "#node/config/sharing-options.ts";
import { VERSION } from "#node/config/version.ts";
import { FriendLinks } from "./friend-links.ts";
import { LedgerEvents } from "./ledger-events.ts";
import type { LedgerOffer } from "./ledger-offer.ts";
import type { NodeClock } from "./node-clock.ts";
import { type OpenApi, openApi } from "./open-api.ts";
import type { Ledger } from "./open-ledger.ts";
import { Sharing } from "./open-sharing.ts";
import { sharingKeys } from "./open-wallets.ts";
import { wireServices } from "./wiring.ts";

export interface ServiceParts {
  readonly paths: DataPaths;
  readonly clock: NodeClock;
  readonly log: Logger;
  /** Undefined with -ledger=none. */
  readonly ledger: Ledger | undefined;
  /** Undefined with -disablewallet. */
  readonly wallets: WalletManager | undefined;
  readonly stack: AsyncDisposableStack;
}

const OFF: SharingState = { state: "off", reason: "it is switched off (-sharing=0)" };

export async function openServices(read: ReadSettings, parts: ServiceParts): Promise<void> {
  const { settings, network } = read;
  const { paths, clock, log, ledger, wallets, stack } = parts;
  const listen = apiPort(settings);
  const events = new EventHub();
  let api: OpenApi | undefined;
  const view = ledger === undefined ? undefined : ledgerView(ledger);
  const friends =
    ledger === undefined
      ? undefined
      : new FriendLinks({ peers: ledger.peers, clock: systemClock, magic: network.magic });
  const sharing = wantsSharing(settings)
    ? await Sharing.open(read, {
        paths,
        log,
        source: ledger?.source,
        keys: () => sharingKeys(wallets),
        ledgerOffer: () => offerOf(ledger, network.magic),
        page: () => api?.address,
        events,
        friends,
      })
    : undefined;
  const told =
    ledger === undefined || view === undefined
      ? undefined
      : new LedgerEvents(events, { view, mempool: ledger.mempool, clock });
  wireServices({ ledger, wallets, told, sharing, events });

  if (listen !== undefined) {
    api = await openApi(listen, paths, {
      version: VERSION,
      name: sharingSettings(settings, network).name,
      clock,
      log,
      ledger: view,
      wallets,
      sharing: () => sharing?.supervisor.state ?? OFF,
      s3Origin: () => sharing?.s3Origin,
      events,
    });
    stack.defer(api.close);
    log.info(`The API listens at ${api.address}`);
  }
  if (sharing === undefined) return;
  stack.defer(() => sharing.close());
  sharing.supervisor.start();
}

/** Where friends reach this node's ledger; undefined while it does not listen. */
function offerOf(ledger: Ledger | undefined, magic: Uint8Array): LedgerOffer | undefined {
  const endpoint = ledger?.peers.listening[0];
  return endpoint === undefined ? undefined : { magic, host: endpoint.host, port: endpoint.port };
}
