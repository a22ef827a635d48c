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

/** Tasks on one page of jobs, of all together. */
const LISTED_TASKS = 5000;

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
      // Tasks that are left out are asked for by the job's id: a page of jobs must fit through the link.
      let room = LISTED_TASKS;
      return (await requester.jobs(query)).map((job) => {
        const isListed = job.finished === undefined && job.tasks.length <= room;
        if (isListed) room -= job.tasks.length;
        return isListed ? job : { ...job, tasks: [] };
      });
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
