/** Checks a tile: what was revealed of it must add up to what was sent, and equal what we render ourselves. */
import { equalBytes } from "#base/lib/bytes.ts";
import type { Random } from "#base/lib/random.ts";
import type { Challenge, Evidence, Pick, Rerun, Verdict } from "../job-kind.ts";
import { floatsOf, PIXEL_BYTES } from "./film.ts";
import { batchesOf } from "./render-job.ts";
import { decodeTileParams, encodePairsParams, type TileParams } from "./tile-params.ts";

/** Pairs of pixel and batch that are drawn of each tile. */
export const DRAWN_PAIRS = 64;

/** Draws pairs of a tile, each different as far as there are so many. */
export function drawPairs(params: TileParams, random: Random): Challenge {
  const pixels = params.tile.width * params.tile.height;
  const batches = batchesOf(params);
  const total = pixels * batches;
  const drawn = new Set<number>();
  while (drawn.size < Math.min(DRAWN_PAIRS, total)) drawn.add(random.below(total));
  const picks = [...drawn].sort((a, b) => a - b);
  return { picks: picks.map((pick) => ({ leaf: Math.floor(pick / batches), part: pick % batches })) };
}

/**
 * Checks a tile's revealed pixels, whose proofs already hold: each pixel's batches sum, in order and in f32, to the
 * output; each drawn batch is bit for bit what `rerun` gives.
 */
export async function verifyTile(
  tileParams: Uint8Array,
  evidence: Evidence,
  { picks }: Challenge,
  rerun: Rerun,
): Promise<Verdict> {
  const params = decodeTileParams(tileParams);
  const { tile } = params;
  const leafBytes = batchesOf(params) * PIXEL_BYTES;
  const sums = floatsOf(evidence.output);
  for (const [pixel, leaf] of evidence.leaves) {
    if (leaf.length !== leafBytes) return fault("a revealed pixel has another length", params, pixel);
    if (!addsUp(floatsOf(leaf), sums, pixel)) return fault("batches do not add up", params, pixel);
  }
  const pairs = picks.map(({ leaf, part }) => ({
    x: tile.x + (leaf % tile.width),
    y: tile.y + Math.floor(leaf / tile.width),
    batch: part,
  }));
  const own = await rerun(encodePairsParams(tileParams, pairs));
  if (own.length !== picks.length * PIXEL_BYTES) throw new Error("the tracer gave another number of pairs");
  for (const [i, pick] of picks.entries()) {
    const expected = own.subarray(i * PIXEL_BYTES, (i + 1) * PIXEL_BYTES);
    const claimed = claimedBatch(evidence, pick);
    if (claimed === undefined) return fault("a pixel was not revealed", params, pick.leaf);
    if (!equalBytes(expected, claimed))
      return fault("samples are not what the scene gives", params, pick.leaf);
  }
  return { ok: true };
}

function claimedBatch({ leaves }: Evidence, { leaf, part }: Pick): Uint8Array | undefined {
  return leaves.get(leaf)?.subarray(part * PIXEL_BYTES, (part + 1) * PIXEL_BYTES);
}

/** Whether a pixel's batches sum to the output, each step rounded to f32 as the kernel does; bits count, and no honest sum is NaN. */
function addsUp(batches: Float32Array, sums: Float32Array, pixel: number): boolean {
  for (let channel = 0; channel < 3; channel++) {
    let sum = 0;
    for (let at = channel; at < batches.length; at += 3) sum = Math.fround(sum + batches[at]!);
    if (!Object.is(sum, sums[3 * pixel + channel]) || Number.isNaN(sum)) return false;
  }
  return true;
}

function fault(what: string, { tile }: TileParams, pixel: number): Verdict {
  const x = tile.x + (pixel % tile.width);
  const y = tile.y + Math.floor(pixel / tile.width);
  return { ok: false, reason: `${what} at pixel ${x}, ${y}` };
}
