import { sufferCrashes } from "#sharing/storage/files/crash-story.ts";

/**
 * Power cuts and kills of a machine that writes files, at random instants, and restores of empty ones. The same with
 * the syncs of the index left out must fail.
 * @param args how many deaths (200 when left out), and the first seed (1).
 */
export async function run(args: string[]): Promise<void> {
  const wanted = Number(args[0] ?? 200);
  const first = Number(args[1] ?? 1);
  const total = { acknowledged: 0, cuts: 0, kills: 0 };
  for (let seed = first; total.cuts + total.kills < wanted; seed++) {
    const outcome = await sufferCrashes({ seed, deaths: 8, hosts: 4 + (seed % 3) });
    total.acknowledged += outcome.acknowledged;
    total.cuts += outcome.cuts;
    total.kills += outcome.kills;
    console.log(
      `${total.cuts} power cuts, ${total.kills} kills, ${total.acknowledged} writes acknowledged: none lost`,
    );
  }
  for (let seed = first; seed < first + 40; seed++) {
    try {
      await sufferCrashes({ seed, deaths: 8, hosts: 4, leaveOut: ({ kind }) => kind === "store" });
    } catch (error) {
      console.log(`without sync of the index: lost under seed ${seed}: ${String(error).slice(0, 120)}`);
      return;
    }
  }
  throw new Error("without sync of the index nothing was lost");
}
