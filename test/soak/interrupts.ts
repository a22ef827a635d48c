/** `npm run soak -- interrupts [count] [seed]`: Ctrl-C at random moments of the story leaves no process and no file. */
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "#base/lib/random.ts";
import { interruptStory } from "../support/telling.ts";

/** Milliseconds of the story, about. */
const STORY = 75_000;

export async function run(args: string[]): Promise<void> {
  const [count = 20, seed = 1] = args.map(Number);
  const random = new SeededRandom(seed);
  for (let i = 1; i <= count; i++) {
    const after = random.below(STORY);
    await interruptStory(() => sleep(after));
    console.log(`${i} of ${count}: interrupted after ${(after / 1000).toFixed(1)} s, nothing left`);
  }
}
