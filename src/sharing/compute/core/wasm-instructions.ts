/**
 * The instructions of WebAssembly 2.0 (core specification, 5.4) by their immediates. What is not in the table is
 * refused: relaxed SIMD and f16 (results differ between machines), threads, garbage collection, exceptions, typed
 * function references.
 */
import { DecodeError } from "#base/lib/decode-error.ts";
import type { WasmReader } from "./wasm-reader.ts";

type Immediate =
  | "none"
  | "block"
  | "index"
  | "two"
  | "branches"
  | "types"
  | "memory"
  | "zero"
  | "i32"
  | "i64"
  | "f32"
  | "f64"
  | "null";

const TABLE: (Immediate | undefined)[] = Array.from({ length: 256 }, () => undefined);

function set(from: number, to: number, immediate: Immediate): void {
  for (let code = from; code <= to; code++) TABLE[code] = immediate;
}

set(0x00, 0x01, "none"); // unreachable, nop
set(0x02, 0x04, "block"); // block, loop, if
set(0x05, 0x05, "none"); // else
set(0x0b, 0x0b, "none"); // end
set(0x0c, 0x0d, "index"); // br, br_if
set(0x0e, 0x0e, "branches"); // br_table
set(0x0f, 0x0f, "none"); // return
set(0x10, 0x10, "index"); // call
set(0x11, 0x11, "two"); // call_indirect
set(0x12, 0x12, "index"); // return_call
set(0x13, 0x13, "two"); // return_call_indirect
set(0x1a, 0x1b, "none"); // drop, select
set(0x1c, 0x1c, "types"); // select of a type
set(0x20, 0x26, "index"); // locals, globals, table.get, table.set
set(0x28, 0x3e, "memory"); // loads and stores
set(0x3f, 0x40, "zero"); // memory.size, memory.grow
set(0x41, 0x41, "i32");
set(0x42, 0x42, "i64");
set(0x43, 0x43, "f32");
set(0x44, 0x44, "f64");
set(0x45, 0xc4, "none"); // numeric
set(0xd0, 0xd0, "null"); // ref.null
set(0xd1, 0xd1, "none"); // ref.is_null
set(0xd2, 0xd2, "index"); // ref.func

/** Immediates after 0xfc, by the second number: how many indices. */
const BULK = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1] as const;

/** Why an instruction outside the table is refused. */
function refusal(code: number): string {
  if (code === 0xfe) return "threads (atomic instructions) are not supported";
  if (code === 0xfb) return "garbage-collected types are not supported";
  if ((code >= 0x06 && code <= 0x0a) || code === 0x18 || code === 0x19 || code === 0x1f) {
    return "exceptions are not supported";
  }
  if (code === 0x14 || code === 0x15 || (code >= 0xd3 && code <= 0xd6))
    return "typed function references are not supported";
  return `unknown instruction 0x${code.toString(16)}`;
}

/** Reads the instructions of one function body up to `end`. @throws DecodeError at one that is not in the table. */
export function checkInstructions(reader: WasmReader, end: number): void {
  while (reader.at < end) {
    const code = reader.byte();
    if (code === 0xfd) readVector(reader);
    else if (code === 0xfc) readBulk(reader);
    else {
      const immediate = TABLE[code];
      if (immediate === undefined) throw new DecodeError(refusal(code));
      if (immediate !== "none") skip(reader, immediate);
    }
  }
  if (reader.at !== end) throw new DecodeError("an instruction beyond the end of its function");
}

function skip(reader: WasmReader, immediate: Immediate): void {
  switch (immediate) {
    case "block":
      readBlockType(reader);
      break;
    case "index":
      reader.u32();
      break;
    case "two":
      reader.u32();
      reader.u32();
      break;
    case "branches": {
      const count = reader.count();
      for (let i = 0; i <= count; i++) reader.u32();
      break;
    }
    case "types": {
      const count = reader.count();
      for (let i = 0; i < count; i++) reader.valueType();
      break;
    }
    case "memory":
      readMemoryArgument(reader);
      break;
    case "zero":
      if (reader.byte() !== 0) throw new DecodeError("more than one memory is not supported");
      break;
    case "i32":
      reader.skipLeb(5);
      break;
    case "i64":
      reader.skipLeb(10);
      break;
    case "f32":
      reader.skip(4);
      break;
    case "f64":
      reader.skip(8);
      break;
    case "null":
      reader.referenceType();
      break;
    default:
  }
}

/** 0x40 for nothing, a value type, or the index of a type as a signed number. */
function readBlockType(reader: WasmReader): void {
  const first = reader.peek();
  if (first === 0x40) reader.skip(1);
  else if (first >= 0x41 && first <= 0x7f) reader.valueType();
  else reader.skipLeb(5);
}

function readMemoryArgument(reader: WasmReader): void {
  if (reader.u32() >= 32) throw new DecodeError("more than one memory is not supported");
  reader.u32();
}

function readBulk(reader: WasmReader): void {
  const code = reader.u32();
  const indices = BULK[code];
  if (indices === undefined) throw new DecodeError(`unknown instruction 0xfc ${code}`);
  for (let i = 0; i < indices; i++) reader.u32();
}

function readVector(reader: WasmReader): void {
  const code = reader.u32();
  if (code >= 0x100)
    throw new DecodeError("relaxed SIMD is not supported: its results differ between machines");
  if (code <= 11 || code === 92 || code === 93) readMemoryArgument(reader);
  else if (code === 12 || code === 13) reader.skip(16);
  else if (code >= 21 && code <= 34) reader.skip(1);
  else if (code >= 84 && code <= 91) {
    readMemoryArgument(reader);
    reader.skip(1);
  }
}
