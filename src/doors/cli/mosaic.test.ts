import assert from "node:assert/strict";
import { test } from "node:test";
import { colourDepth, Mosaic } from "./mosaic.ts";

const tile = (x: number, y: number, colour: readonly number[]) => ({
  x,
  y,
  width: 8,
  height: 8,
  pixels: Uint8Array.from({ length: 8 * 8 * 4 }, (_, i) => colour[i % 4]!),
});

test("a mosaic keeps the picture's shape within its room", () => {
  const mosaic = new Mosaic({ width: 640, height: 360 }, { columns: 80, rows: 40 });
  assert.equal(mosaic.columns, 80);
  assert.equal(mosaic.rows, 23);
  const narrow = new Mosaic({ width: 100, height: 1000 }, { columns: 80, rows: 10 });
  assert.deepEqual([narrow.columns, narrow.rows], [2, 10]);
});

test("tiles appear where they belong, upper and lower halves by themselves", () => {
  const mosaic = new Mosaic({ width: 16, height: 16 }, { columns: 2, rows: 1 });
  assert.deepEqual(mosaic.lines("truecolor"), ["\u001b[0;2m·\u001b[0;2m·\u001b[0m"]);
  mosaic.add(tile(0, 0, [255, 0, 0, 255]));
  mosaic.add(tile(8, 8, [0, 0, 255, 255]));
  assert.deepEqual(mosaic.lines("truecolor"), ["\u001b[0;38;2;255;0;0m▀\u001b[0;38;2;0;0;255m▄\u001b[0m"]);
  mosaic.add(tile(0, 8, [0, 255, 0, 255]));
  assert.ok(mosaic.lines("256")[0]!.startsWith("\u001b[0;38;5;196;48;5;46m▀"));
});

test("the colours follow what the terminal says of itself", () => {
  const screen = { isTTY: true };
  assert.equal(colourDepth(screen, { COLORTERM: "truecolor" }), "truecolor");
  assert.equal(colourDepth(screen, { TERM: "xterm-256color" }), "256");
  assert.equal(colourDepth(screen, { TERM: "vt100" }), "none");
  assert.equal(colourDepth(screen, { TERM: "xterm-256color", NO_COLOR: "1" }), "none");
  assert.equal(colourDepth({}, { COLORTERM: "truecolor" }), "none");
});
