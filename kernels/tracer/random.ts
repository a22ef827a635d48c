// Random numbers, a function of (job seed, pixel, batch) alone, in integers. Two kinds: a stream (xoroshiro64**,
// Blackman and Vigna) for choices that need no order; and points of the plane that fill it evenly over a pixel's
// samples (Roberts's R2 sequence, shifted by the pixel, in shuffled order within a batch), for what sampling gains by.

/** Samples of a batch. */
export const BATCH: u32 = 16;

let s0: u32 = 1;
let s1: u32 = 1;
let pixelSeed: u32 = 0;
let batchSeed: u32 = 0;
/** First sample of the batch within the pixel. */
let firstSample: u32 = 0;
/** Sample of the batch. */
let sample: u32 = 0;
/** Ray of the sample. */
let ray: u32 = 0;

/** The last point. */
export let pointX: f32 = 0;
export let pointY: f32 = 0;

/** O'Neill's PCG output function over one step of its generator, as a hash. */
export function hash(x: u32): u32 {
  const state = x * 747796405 + 2891336453;
  const word = ((state >> ((state >> 28) + 4)) ^ state) * 277803737;
  return (word >> 22) ^ word;
}

/** Starts the numbers of one batch of one pixel. */
export function seedBatch(seedLow: u32, seedHigh: u32, pixel: u32, batch: u32): void {
  pixelSeed = hash(hash(hash(seedLow) ^ seedHigh) + pixel);
  batchSeed = hash(pixelSeed + batch * 0x9e3779b9);
  firstSample = batch * BATCH;
  s0 = batchSeed;
  s1 = hash(batchSeed ^ 0x85ebca6b) | 1;
}

/** Turns to the sample of the batch that comes next. */
export function startSample(index: u32): void {
  sample = index;
  ray = 0;
}

function nextWord(): u32 {
  const word = rotl<u32>(s0 * 0x9e3779bb, 5) * 5;
  s1 ^= s0;
  s0 = rotl<u32>(s0, 26) ^ s1 ^ (s1 << 9);
  s1 = rotl<u32>(s1, 13);
  return word;
}

/** In 0 … 1, the 1 excluded. */
export function fraction(word: u32): f32 {
  return <f32>(word >> 8) * <f32>5.9604645e-8;
}

export function nextFraction(): f32 {
  return fraction(nextWord());
}

/** Turns to the next ray of the sample. */
export function startRay(): void {
  ray++;
}

/** A number that belongs to this ray and `what`, in whatever order the ray meets things. */
export function fractionFor(what: u32): f32 {
  return fraction(hash(hash(batchSeed + (sample << 16) + ray) + what));
}

/** Sets the point of this sample in the plane `plane`; each plane is filled evenly over the pixel's samples. */
export function nextPoint(plane: u32): void {
  const shuffle = hash(batchSeed + plane * 0x632be5ab);
  let i = (sample ^ shuffle) & 15;
  i = (i * ((shuffle >> 4) | 1)) & 15;
  i ^= i >> 2;
  i = (i * ((shuffle >> 8) | 1) + (shuffle >> 12)) & 15;
  i ^= i >> 3;
  const index = firstSample + i;
  const shift = hash(pixelSeed ^ (plane * 0x85ebca6b));
  pointX = fraction(index * 3242174889 + shift);
  pointY = fraction(index * 2447445414 + hash(shift));
}
