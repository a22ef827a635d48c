/**
 * `npm run soak -- render-cheats [runs]`: how surely a check of 64 pairs catches false tiles, at 64 and 1,024 samples,
 * beside what is predicted; providers that skip samples; and that no honest tile is refused.
 */
import { predicted, TileChecks } from "../support/cheat-statistics.ts";

const SHARES = [0.005, 0.01, 0.02, 0.05];
/** Standard deviations that a measured rate may lie off the predicted one. */
const SIGMAS = 4;

export async function run(args: readonly string[]): Promise<void> {
  const runs = Number(args[0] ?? 1000);
  const failures: string[] = [];
  for (const [samples, step] of [
    [64, 1],
    [1024, 4],
  ] as const) {
    const began = Date.now();
    const checks = await TileChecks.of({ width: 96, height: 64, samples, seed: 3, tileSize: 16 }, step);
    const plain = checks.plainSky.length;
    console.log(`${samples} samples: ${checks.tiles.length} tiles, ${plain} of them plain sky`);
    if (plain === 0 || plain === checks.tiles.length)
      failures.push(`${samples} samples: ${plain} tiles of sky`);
    for (const share of SHARES) {
      const rate = (await checks.falsified(share, runs)) / runs;
      const expected = predicted(share);
      const sigma = Math.sqrt((expected * (1 - expected)) / runs);
      const isOff = Math.abs(rate - expected) > SIGMAS * sigma + 0.005;
      const text = `  ${percent(share)} of the pairs false: caught ${percent(rate)}, predicted ${percent(expected)}`;
      console.log(text);
      if (isOff) failures.push(`${samples} samples:${text}`);
    }
    const skipping = await checks.skipping(runs);
    const by = (tile: number): number => skipping.filter(({ caughtAt }) => caughtAt <= tile).length / runs;
    const third = by(3);
    const passed = skipping.reduce((sum, { plainPassed }) => sum + plainPassed, 0);
    console.log(
      `  1 of 32 samples skipped: caught at its first tile that is not plain sky ${percent(by(1))}, ` +
        `by its third ${percent(third)}; ${passed} tiles of plain sky handed in before`,
    );
    if (third < 0.99)
      failures.push(`${samples} samples: skipping was caught by the third tile in ${percent(third)}`);
    const refused = await checks.honestRefused(runs);
    console.log(
      `  honest tiles refused: ${refused} of ${runs} (${((Date.now() - began) / 1000).toFixed(0)} s)`,
    );
    if (refused > 0) failures.push(`${samples} samples: ${refused} honest tiles refused`);
  }
  if (failures.length > 0) throw new Error(failures.join("\n"));
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
