/** What is known of a job wherever it is shown: types alone, and nothing of the machine they are read on. */

export type JobKindName = "render" | "wasm";

/** A rectangle of the picture, in pixels from its top left. */
export interface Tile {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
