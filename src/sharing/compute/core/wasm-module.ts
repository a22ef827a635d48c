/**
 * A stranger's module before any engine sees it: which of the two ABIs it speaks, whether it asks for nothing but what
 * we give, and its memory and tables capped by rewriting their limits (docs/protocols/compute.md, "Modules").
 */
import { concatBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { WASI_NAMES } from "./wasi-names.ts";
import { checkInstructions } from "./wasm-instructions.ts";
import { WasmReader } from "./wasm-reader.ts";

export const WASI_MODULE = "wasi_snapshot_preview1";
export const PAGE = 65_536;

/** Most elements of a table, and most tables; an element costs 8 bytes. */
const TABLE_ELEMENTS = 262_144;
const TABLES = 4;
/** Longest function body: an optimising compiler's memory grows with it. */
const FUNCTION_BYTES = 2 ** 21;
const FUNCTIONS = 200_000;

/** `wasi`: exports `_start`. `kernel`: no imports, exports `input`, `run`, `output`, `outputLength`. */
export type ModuleAbi = "wasi" | "kernel";

export interface CheckedModule {
  readonly abi: ModuleAbi;
  /** The module with its memory's maximum at or below the limit, and its tables' likewise. */
  readonly bytes: Uint8Array;
  /** Pages that it starts with. */
  readonly initialPages: number;
}

export type ModuleVerdict =
  | { readonly ok: true; readonly module: CheckedModule }
  | { readonly ok: false; readonly code: "refused-module" | "memory-limit"; readonly reason: string };

/** Memory that starts larger than the limit. */
class MemoryLimitError extends DecodeError {}

/** Checks a module and caps it. @param memoryBytes most linear memory it may have. */
export function checkModule(bytes: Uint8Array, memoryBytes: number): ModuleVerdict {
  try {
    return { ok: true, module: readModule(bytes, Math.floor(memoryBytes / PAGE)) };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    const code = error instanceof MemoryLimitError ? "memory-limit" : "refused-module";
    return { ok: false, code, reason: error.message };
  }
}

interface Seen {
  imports: number;
  initialPages: number | undefined;
  readonly exports: Map<string, number>;
}

const EXPORT_FUNCTION = 0;
const EXPORT_MEMORY = 2;

function readModule(bytes: Uint8Array, maxPages: number): CheckedModule {
  const reader = new WasmReader(bytes);
  for (const byte of [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]) {
    if (reader.byte() !== byte) throw new DecodeError("not a WebAssembly module (version 1)");
  }
  const seen: Seen = { imports: 0, initialPages: undefined, exports: new Map() };
  const parts: Uint8Array[] = [bytes.subarray(0, 8)];
  let before = 0;
  while (!reader.done) {
    const start = reader.at;
    const id = reader.byte();
    const length = reader.u32();
    const end = reader.at + length;
    if (end > bytes.length) throw new DecodeError("a section beyond the end of the module");
    if (id === 0) {
      reader.at = end; // a custom section says nothing that is run; it is left out
      continue;
    }
    before = checkOrder(id, before);
    parts.push(readSection(id, reader, seen, maxPages) ?? bytes.subarray(start, end));
    if (reader.at !== end && SKIPPED.has(id)) reader.at = end;
    if (reader.at !== end) throw new DecodeError(`section ${id} does not fill its length`);
  }
  return { abi: abiOf(seen), bytes: concatBytes(...parts), initialPages: seen.initialPages! };
}

/** Sections that are left to the engine: globals, start, elements, data, data count. */
const SKIPPED = new Set([6, 8, 9, 11, 12]);
/** The order of sections; data count (12) stands before code. */
const ORDER = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 10, 11];

function checkOrder(id: number, before: number): number {
  const place = ORDER.indexOf(id) + 1;
  if (place === 0) {
    throw new DecodeError(id === 13 ? "exceptions are not supported" : `unknown section ${id}`);
  }
  if (place <= before) throw new DecodeError(`section ${id} twice or out of order`);
  return place;
}

/** Reads one section; the bytes to put in its place, or undefined to keep it. */
function readSection(id: number, reader: WasmReader, seen: Seen, maxPages: number): Uint8Array | undefined {
  switch (id) {
    case 1:
      readTypes(reader);
      return undefined;
    case 2:
      readImports(reader, seen);
      return undefined;
    case 3:
      readFunctions(reader);
      return undefined;
    case 4:
      return readTables(reader);
    case 5:
      return readMemory(reader, seen, maxPages);
    case 7:
      readExports(reader, seen);
      return undefined;
    case 10:
      readCode(reader);
      return undefined;
    default:
      return undefined;
  }
}

function readTypes(reader: WasmReader): void {
  const count = reader.count();
  for (let i = 0; i < count; i++) {
    if (reader.byte() !== 0x60) throw new DecodeError("garbage-collected types are not supported");
    for (const _ of [0, 1]) {
      const values = reader.count();
      for (let j = 0; j < values; j++) reader.valueType();
    }
  }
}

function readImports(reader: WasmReader, seen: Seen): void {
  const count = reader.count();
  for (let i = 0; i < count; i++) {
    const module = reader.name();
    const name = reader.name();
    const kind = reader.byte();
    if (kind !== 0) throw new DecodeError(`imports ${printable(module, name)}, which is not a function`);
    reader.u32();
    if (module !== WASI_MODULE || !WASI_NAMES.has(name)) {
      throw new DecodeError(`imports ${printable(module, name)}, which Freehold does not have`);
    }
  }
  seen.imports = count;
}

function printable(module: string, name: string): string {
  return `${module}.${name}`.replace(/[^\x20-\x7e]/g, "?").slice(0, 80);
}

function readFunctions(reader: WasmReader): void {
  const count = reader.count();
  if (count > FUNCTIONS) throw new DecodeError(`more than ${FUNCTIONS} functions`);
  for (let i = 0; i < count; i++) reader.u32();
}

/** Limits as they stand; shared and 64-bit memories have other flags. */
function readLimits(reader: WasmReader, what: string): { min: number; max: number | undefined } {
  const flags = reader.byte();
  if (flags === 2 || flags === 3) throw new DecodeError(`shared ${what} (threads) is not supported`);
  if (flags > 1) throw new DecodeError(`${what} of 64 bits is not supported`);
  const min = reader.u32();
  return { min, max: flags === 1 ? reader.u32() : undefined };
}

function readTables(reader: WasmReader): Uint8Array {
  const count = reader.count();
  if (count > TABLES) throw new DecodeError(`more than ${TABLES} tables`);
  const body: number[] = [count];
  for (let i = 0; i < count; i++) {
    body.push(reader.peek());
    reader.referenceType();
    const { min, max } = readLimits(reader, "table");
    if (min > TABLE_ELEMENTS) throw new DecodeError(`a table of more than ${TABLE_ELEMENTS} elements`);
    body.push(1, ...leb(min), ...leb(Math.min(max ?? TABLE_ELEMENTS, TABLE_ELEMENTS)));
  }
  return section(4, body);
}

function readMemory(reader: WasmReader, seen: Seen, maxPages: number): Uint8Array {
  const count = reader.count();
  if (count > 1) throw new DecodeError("more than one memory is not supported");
  if (count === 0) return section(5, [0]);
  const { min, max } = readLimits(reader, "memory");
  if (min > maxPages) {
    throw new MemoryLimitError(
      `starts with ${min * PAGE} bytes of memory, over the limit of ${maxPages * PAGE}`,
    );
  }
  seen.initialPages = min;
  return section(5, [1, 1, ...leb(min), ...leb(Math.min(max ?? maxPages, maxPages))]);
}

function readExports(reader: WasmReader, seen: Seen): void {
  const count = reader.count();
  for (let i = 0; i < count; i++) {
    const name = reader.name();
    const kind = reader.byte();
    reader.u32();
    seen.exports.set(name, kind);
  }
}

function readCode(reader: WasmReader): void {
  const count = reader.count();
  for (let i = 0; i < count; i++) {
    const length = reader.u32();
    if (length > FUNCTION_BYTES) throw new DecodeError(`a function of more than ${FUNCTION_BYTES} bytes`);
    const end = reader.at + length;
    if (end > reader.bytes.length) throw new DecodeError("the module ends too early");
    const groups = reader.count();
    for (let j = 0; j < groups; j++) {
      reader.u32();
      reader.valueType();
    }
    checkInstructions(reader, end);
  }
}

function abiOf(seen: Seen): ModuleAbi {
  const has = (name: string): boolean => seen.exports.get(name) === EXPORT_FUNCTION;
  if (seen.exports.get("memory") !== EXPORT_MEMORY || seen.initialPages === undefined) {
    throw new DecodeError("exports no memory of its own");
  }
  if (has("_start")) return "wasi";
  const missing = ["input", "run", "output", "outputLength"].filter((name) => !has(name));
  if (missing.length > 0) {
    throw new DecodeError(`is neither a WASI command (_start) nor a kernel (lacks ${missing.join(", ")})`);
  }
  if (seen.imports > 0) throw new DecodeError("is a kernel with imports");
  return "kernel";
}

function section(id: number, body: readonly number[]): Uint8Array {
  return Uint8Array.from([id, ...leb(body.length), ...body]);
}

/** An unsigned number as LEB128. */
export function leb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}
