import type { ControlResult, HostStatus, SharingControl } from "#doors/api/sharing-control.ts";
import type { DealBook } from "#sharing/deals/deal-book.ts";
import type { StorageHost } from "#sharing/storage/host/storage-host.ts";

/** Remembers over restarts whether this node hosts, and how much. */
export interface HostSwitch {
  readonly limitBytes: number;
  readonly on: boolean;
}

/** Hosting, as the doors switch it. `remember` is durable when it resolves. */
export function hostControl(
  host: StorageHost,
  deals: Pick<DealBook, "sell">,
  remember: (state: HostSwitch) => Promise<void>,
): Pick<SharingControl, "startHost" | "stopHost"> {
  return {
    async startHost({ limitBytes }) {
      try {
        host.setLimit(limitBytes);
        await host.start();
      } catch (error) {
        return { ok: false, reason: `the disk does not take it: ${(error as Error).message}` };
      }
      sellStorage(deals, host);
      await remember({ on: true, limitBytes });
      return { ok: true, value: host.status() };
    },
    async stopHost(): Promise<ControlResult<HostStatus>> {
      deals.sell("storage", undefined);
      const { limitBytes } = host.status();
      await host.stop();
      await remember({ on: false, limitBytes });
      return { ok: true, value: host.status() };
    },
  };
}

/** Friends pay nothing; strangers are not served yet, for lack of a rail that both can use. */
export function sellStorage(deals: Pick<DealBook, "sell">, host: Pick<StorageHost, "checkStep">): void {
  deals.sell("storage", { service: "storage", prices: {}, checkStep: host.checkStep });
}
