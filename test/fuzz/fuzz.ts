import type { SeededRandom } from "#base/lib/random.ts";

/** One parser of outside bytes and inputs that it takes. `run` may throw DecodeError and nothing else. */
export interface FuzzTarget {
  readonly name: string;
  /** Well-formed inputs to mutate. */
  readonly seeds: readonly Uint8Array[];
  run(input: Uint8Array): void | Promise<void>;
}

/** A mutation of one of the seeds: bits flipped, bytes set, cut, repeated, spliced, or lengths inflated. */
export function mutate(seeds: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  let bytes: Uint8Array = (seeds[random.below(seeds.length)] ?? new Uint8Array(0)).slice();
  const rounds = 1 + random.below(6);
  for (let i = 0; i < rounds; i++) bytes = mutateOnce(bytes, seeds, random);
  return bytes;
}

const INTERESTING = [0x00, 0x01, 0x7f, 0x80, 0xfc, 0xfd, 0xfe, 0xff];

function mutateOnce(bytes: Uint8Array, seeds: readonly Uint8Array[], random: SeededRandom): Uint8Array {
  const at = random.below(bytes.length + 1);
  switch (random.below(6)) {
    case 0:
      if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << random.below(8));
      return bytes;
    case 1:
      if (at < bytes.length) bytes[at] = INTERESTING[random.below(INTERESTING.length)]!;
      return bytes;
    case 2:
      return bytes.slice(0, at);
    case 3: {
      const end = Math.min(bytes.length, at + 1 + random.below(16));
      return join(bytes.subarray(0, end), bytes.subarray(at));
    }
    case 4: {
      const other = seeds[random.below(seeds.length)]!;
      return join(bytes.subarray(0, at), other.subarray(random.below(other.length + 1)));
    }
    default:
      return join(
        bytes.subarray(0, at),
        random.fill(new Uint8Array(1 + random.below(9))),
        bytes.subarray(at),
      );
  }
}

function join(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
