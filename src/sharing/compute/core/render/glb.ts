import { DecodeError } from "#base/lib/decode-error.ts";
import type { SceneLimits } from "./scene-limits.ts";

const MAGIC = 0x4654_6c67;
const JSON_CHUNK = 0x4e4f_534a;
const BINARY_CHUNK = 0x004e_4942;

/** The two parts of a `.glb` file. */
export interface Glb {
  readonly json: unknown;
  readonly binary: Uint8Array;
}

/**
 * Takes a binary glTF file apart (glTF 2.0, section 4.4).
 * @throws DecodeError when it is none, or too large.
 */
export function openGlb(bytes: Uint8Array, limits: Pick<SceneLimits, "file" | "json">): Glb {
  if (bytes.length > limits.file) throw new DecodeError(`scene file is longer than ${limits.file} bytes`);
  if (bytes.length < 20) throw new DecodeError("this is no .glb file");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== MAGIC) throw new DecodeError("this is no .glb file");
  if (view.getUint32(4, true) !== 2) throw new DecodeError("only glTF 2.0 is understood");
  if (view.getUint32(8, true) > bytes.length) throw new DecodeError(".glb file is cut short");
  const json = chunk(view, 12, JSON_CHUNK);
  if (json === undefined) throw new DecodeError(".glb file has no JSON");
  if (json.length > limits.json)
    throw new DecodeError(`JSON of the scene is longer than ${limits.json} bytes`);
  const binary = chunk(view, 20 + json.length, BINARY_CHUNK) ?? new Uint8Array(0);
  return { json: parse(json), binary };
}

function chunk(view: DataView, at: number, type: number): Uint8Array | undefined {
  if (at + 8 > view.byteLength || view.getUint32(at + 4, true) !== type) return undefined;
  const length = view.getUint32(at, true);
  if (length > view.byteLength - at - 8) throw new DecodeError(".glb file is cut short");
  return new Uint8Array(view.buffer, view.byteOffset + at + 8, length);
}

function parse(json: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch {
    throw new DecodeError("JSON of the scene is malformed");
  }
}
