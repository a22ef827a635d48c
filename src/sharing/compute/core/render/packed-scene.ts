/**
 * The packed scene: one flat run of bytes that the kernel reads in place. Little endian. A header of 256 bytes: magic
 * "FHRS", version, length, top reference; from 16 a table of sections (u32 offset, u32 count each); at 88 the number of
 * the top tree's nodes; from 96 the sky. Sections start at multiples of 16. What each holds is written where
 * kernels/tracer reads it: traverse.ts (nodes, blocks), surface.ts (triangles, vertices, materials, instances),
 * texture.ts (textures, texels), light.ts (lights, sky).
 */

export const SCENE_MAGIC = 0x5352_4846;
export const SCENE_VERSION = 1;
export const HEADER_SIZE = 256;

/** The sections in the order of the table, with the bytes of one entry. */
export const SECTIONS = {
  nodes: 64,
  blocks: 160,
  triangles: 16,
  vertices: 32,
  materials: 192,
  textures: 32,
  texels: 1,
  instances: 112,
  lights: 48,
} as const;
export type SectionName = keyof typeof SECTIONS;

/** Where the sections of a scene lie; made before it is filled. */
export class SceneLayout {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #starts: Record<SectionName, number>;

  constructor(counts: Readonly<Record<SectionName, number>>) {
    const starts: Partial<Record<SectionName, number>> = {};
    this.bytes = new Uint8Array(packedLength(counts));
    this.view = new DataView(this.bytes.buffer);
    let at = HEADER_SIZE;
    for (const [row, name] of sectionNames().entries()) {
      starts[name] = at;
      this.view.setUint32(16 + 8 * row, at, true);
      this.view.setUint32(20 + 8 * row, counts[name], true);
      at += align(counts[name] * SECTIONS[name]);
    }
    this.#starts = starts as Record<SectionName, number>;
    this.view.setUint32(0, SCENE_MAGIC, true);
    this.view.setUint32(4, SCENE_VERSION, true);
    this.view.setUint32(8, this.bytes.length, true);
  }

  /** Offset of an entry. */
  at(name: SectionName, index: number): number {
    return this.#starts[name] + SECTIONS[name] * index;
  }

  /** Writes floats one after another. */
  floats(at: number, values: ArrayLike<number>): void {
    for (let i = 0; i < values.length; i++) this.view.setFloat32(at + 4 * i, values[i]!, true);
  }

  words(at: number, values: readonly number[]): void {
    for (const [i, value] of values.entries()) this.view.setInt32(at + 4 * i, value, true);
  }
}

/** Bytes of a scene of so many entries. */
export function packedLength(counts: Readonly<Record<SectionName, number>>): number {
  return sectionNames().reduce((sum, name) => sum + align(counts[name] * SECTIONS[name]), HEADER_SIZE);
}

function sectionNames(): SectionName[] {
  return Object.keys(SECTIONS) as SectionName[];
}

function align(length: number): number {
  return Math.ceil(length / 16) * 16;
}
