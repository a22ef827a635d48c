import { AssertionError } from "node:assert/strict";
import { HOST_MUTANTS, sufferHostCrashes } from "#sharing/storage/host/test-crash.ts";

/**
 * Kills a host and cuts its power at random instants while renters store, drop and put heads, and holds it to all that
 * it acknowledged. The same with one kind of sync left out must fail.
 * @param args how many deaths (2,000 when left out), and the first seed (1).
 */
export async function run(args: string[]): Promise<void> {
  const wanted = Number(args[0] ?? 2_000);
  const first = Number(args[1] ?? 1);
  const start = performance.now();
  const seconds = () => ((performance.now() - start) / 1000).toFixed(0);
  const total = { cuts: 0, kills: 0, shardsHeld: 0, headsHeld: 0, resumed: 0 };
  for (let seed = first; total.cuts + total.kills < wanted; seed++) {
    const report = await sufferHostCrashes({ seed, lives: 25 }).catch((cause) => {
      throw new Error(`the host of seed ${seed} lost something`, { cause });
    });
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += report[key];
  }
  console.log(
    `${total.cuts} power cuts and ${total.kills} kills: none of ${total.shardsHeld} shards and ` +
      `${total.headsHeld} heads lost, ${total.resumed} uploads went on; ${seconds()} s`,
  );
  for (const [name, leaveOut] of Object.entries(HOST_MUTANTS)) {
    let losses = 0;
    let reason = "";
    for (let seed = first; seed < first + 20; seed++) {
      await sufferHostCrashes({ seed, lives: 20, leaveOut }).catch((error) => {
        if (!(error instanceof AssertionError)) throw error;
        losses++;
        reason ||= error.message;
      });
    }
    if (losses === 0) throw new Error(`without the sync of ${name} nothing was lost`);
    console.log(`without the sync of ${name}: ${losses} of 20 hosts lost something, the first: ${reason}`);
  }
}
