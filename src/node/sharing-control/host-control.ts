import type { ControlResult, HostRules, HostStatus, SharingControl } from "#doors/api/sharing-control.ts";
import type { DealBook } from "#sharing/deals/deal-book.ts";
import type { StorageHost } from "#sharing/storage/host/storage-host.ts";

/** Remembers over restarts whether this node hosts, and how much. */
export interface HostSwitch extends HostRules {
  readonly on: boolean;
}

/** Hosting, as the doors switch it. `remember` is durable when it resolves. */
export function hostControl(
  host: StorageHost,
  deals: Pick<DealBook, "sell">,
  remember: (state: HostSwitch) => Promise<void>,
): Pick<SharingControl, "startHost" | "stopHost"> {
  return {
    async startHost(rules) {
      try {
        host.setLimit(rules.limitBytes, rules.limitBytesPerAccount);
        host.setKeep(keepMsOf(rules));
        await host.start();
      } catch (error) {
        return { ok: false, reason: `the disk does not take it: ${(error as Error).message}` };
      }
      sellStorage(deals, host);
      await remember({ on: true, ...rules });
      return { ok: true, value: host.status() };
    },
    async stopHost(): Promise<ControlResult<HostStatus>> {
      deals.sell("storage", undefined);
      await host.stop();
      const { on: _, usedBytes: _used, shards: _shards, trouble: _trouble, ...rules } = host.status();
      await remember({ on: false, ...rules });
      return { ok: true, value: host.status() };
    },
  };
}

/** How long shards without terms are kept, milliseconds. */
export function keepMsOf({ keepDays = 30 }: Pick<HostRules, "keepDays">): number {
  return keepDays * 86_400_000;
}

/** Friends pay nothing; strangers are not served yet, for lack of a rail that both can use. */
export function sellStorage(deals: Pick<DealBook, "sell">, host: Pick<StorageHost, "checkStep">): void {
  deals.sell("storage", { service: "storage", prices: {}, checkStep: host.checkStep });
}
