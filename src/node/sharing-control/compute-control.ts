import type { SharingControl } from "#doors/api/sharing-control.ts";
import type { Provider } from "#sharing/compute/provider/provider.ts";
import type { Requester } from "#sharing/compute/requester/requester.ts";
import type { DealBook } from "#sharing/deals/deal-book.ts";

type ComputeMethods = "startProvider" | "stopProvider" | "render" | "run" | "jobs" | "job" | "cancelJob";

/** Lending this machine, and having jobs done, as the doors ask for it. */
export function computeControl(
  provider: Provider,
  requester: Requester,
  deals: Pick<DealBook, "sell">,
): Pick<SharingControl, ComputeMethods> {
  return {
    async startProvider() {
      sellCompute(deals);
      return { ok: true, value: await provider.start() };
    },
    async stopProvider() {
      deals.sell("compute", undefined);
      return { ok: true, value: await provider.stop() };
    },
    render({ scene, seed, ...settings }) {
      return requester.submit("render", { ...settings, seed: seed ?? 0 }, [scene]);
    },
    run({ module, inputs, args, seed, ...limits }) {
      return requester.submit("wasm", { args: args ?? [], seed: seed ?? 0, ...limits }, [module, ...inputs]);
    },
    async jobs() {
      // What came of the tasks of a job that is over is asked for by its id.
      return requester.jobs().map((job) => (job.finished === undefined ? job : { ...job, tasks: [] }));
    },
    async job({ id }) {
      return requester.job(id);
    },
    cancelJob: ({ id }) => requester.cancel(id),
  };
}

/** Friends pay nothing; strangers are not served yet, for lack of a rail that both can use. */
export function sellCompute(deals: Pick<DealBook, "sell">): void {
  deals.sell("compute", { service: "compute", prices: {} });
}
