import type { SharingControl } from "#doors/api/sharing-control.ts";
import type { Compute } from "#sharing/compute/open-compute.ts";
import type { DealBook } from "#sharing/deals/deal-book.ts";

type ComputeMethods =
  | "startProvider"
  | "stopProvider"
  | "render"
  | "run"
  | "jobs"
  | "job"
  | "cancelJob"
  | "removeJob";

/** Lending this machine, and having jobs done, as the doors ask for it. */
export function computeControl(
  compute: Compute,
  deals: Pick<DealBook, "sell">,
): Pick<SharingControl, ComputeMethods> {
  const { requester } = compute;
  return {
    async startProvider() {
      sellCompute(deals);
      return { ok: true, value: await compute.startProvider() };
    },
    async stopProvider() {
      deals.sell("compute", undefined);
      return { ok: true, value: await compute.stopProvider() };
    },
    render: (request) => compute.render(request),
    run: (request) => compute.run(request),
    async jobs(query) {
      const jobs = await requester.jobs(query);
      // What came of the tasks of a job that is over is asked for by its id.
      return jobs.map((job) => (job.finished === undefined ? job : { ...job, tasks: [] }));
    },
    job: ({ id }) => requester.job(id),
    cancelJob: ({ id }) => requester.cancel(id),
    removeJob: ({ id }) => requester.remove(id),
  };
}

/** Friends pay nothing; strangers are not served yet, for lack of a rail that both can use. */
export function sellCompute(deals: Pick<DealBook, "sell">): void {
  deals.sell("compute", { service: "compute", prices: {} });
}
