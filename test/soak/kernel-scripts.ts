/**
 * Random spends under every sensible set of flags, judged by Bitcoin Core's own library and by us:
 * `npm run soak -- kernel-scripts [spends] [seed]`, one million by default.
 */

import { compareScripts, describeReport } from "../interop/kernel/compare-scripts.ts";
import { Judge, NO_JUDGE } from "../interop/kernel/judge.ts";

export const name = "kernel-scripts";

export async function run(args: string[]): Promise<void> {
  if (NO_JUDGE !== false) throw new Error(NO_JUDGE);
  const runs = Number(args[0] ?? 1_000_000);
  const seed = Number(args[1] ?? 1);
  const judge = new Judge("judge-scripts.py");
  const start = Date.now();
  let shown = 0;
  const report = await compareScripts(judge, {
    runs,
    seed,
    progress: (done) => {
      if (done - shown < 50_000) return;
      shown = done;
      console.log(`${done} spends, ${Math.round((Date.now() - start) / 1000)} s`);
    },
  });
  await judge.close();
  for (const line of describeReport(report)) console.log(line);
  console.log(`${Math.round((Date.now() - start) / 1000)} s, seed ${seed}`);
  if (report.differences.length > 0) throw new Error("we and Core's library differ");
}
