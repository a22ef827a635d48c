/** `npm run soak -- compute-crash [rounds]`: requester or provider dies at a random instant of a job. */
import { type CrashRound, crashRound } from "../support/compute-crash.ts";

export async function run(args: readonly string[]): Promise<void> {
  const rounds = Number(args[0] ?? 200);
  // Timers of the clock keep no process up.
  const alive = setInterval(() => {}, 1000);
  const done: CrashRound[] = [];
  for (let round = 0; round < rounds; round++) {
    const closers: (() => unknown)[] = [];
    done.push(await crashRound({ after: (close) => void closers.push(close as () => unknown) }, round));
    for (const close of closers) await close();
  }
  clearInterval(alive);
  for (const victim of ["requester", "provider"] as const) {
    for (const powerCut of [false, true]) {
      const those = done.filter((one) => one.victim === victim && one.powerCut === powerCut);
      const amid = those.filter(({ verified }) => verified > 0 && verified < 12).length;
      console.log(
        `${victim}, ${powerCut ? "power cut" : "kill -9"}: ${those.length} rounds, ${amid} in the middle of its tasks, none lost`,
      );
    }
  }
}
