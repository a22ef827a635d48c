/** Small modules written out by hand, for tests: an assembler of sections and a few programs. */
import { concatBytes } from "#base/lib/bytes.ts";
import { leb, WASI_MODULE } from "./wasm-module.ts";

export const I32 = 0x7f;
export const I64 = 0x7e;

export interface FunctionSource {
  readonly params?: readonly number[];
  readonly results?: readonly number[];
  readonly locals?: readonly number[];
  /** Instructions without the last `end`. */
  readonly code: readonly number[];
  readonly export?: string;
}

export interface ModuleSource {
  /** Functions of `wasi_snapshot_preview1`, or of another module. They come first in the numbering. */
  readonly imports?: readonly {
    readonly module?: string;
    readonly name: string;
    readonly params: readonly number[];
    readonly results: readonly number[];
  }[];
  readonly functions: readonly FunctionSource[];
  /** The memory's limits as they stand in the binary: flags, then pages. Undefined: one page, no maximum. */
  readonly memory?: readonly number[] | null;
  readonly data?: readonly { readonly at: number; readonly bytes: Uint8Array }[];
  readonly start?: number;
  /** Whole sections put in at their place by id. */
  readonly extra?: Readonly<Record<number, readonly number[]>>;
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...leb(items.length), ...items.flat()];
}

function text(value: string): number[] {
  const bytes = new TextEncoder().encode(value);
  return [...leb(bytes.length), ...bytes];
}

/** A signed constant as LEB128. */
export function sleb(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

/** `i32.const value`. */
export function i32(value: number): number[] {
  return [0x41, ...sleb(value)];
}

export function call(index: number): number[] {
  return [0x10, ...leb(index)];
}

/** The binary of a module. */
export function assemble(source: ModuleSource): Uint8Array {
  const imports = source.imports ?? [];
  const signatures = [...imports, ...source.functions].map(({ params, results }) => [
    0x60,
    ...vector((params ?? []).map((type) => [type])),
    ...vector((results ?? []).map((type) => [type])),
  ]);
  const sections = new Map<number, readonly number[]>();
  sections.set(1, vector(signatures));
  if (imports.length > 0) {
    sections.set(
      2,
      vector(
        imports.map(({ module, name }, i) => [...text(module ?? WASI_MODULE), ...text(name), 0, ...leb(i)]),
      ),
    );
  }
  sections.set(3, vector(source.functions.map((_, i) => leb(imports.length + i))));
  const memory = source.memory === undefined ? [0, 1] : source.memory;
  if (memory !== null) sections.set(5, [1, ...memory]);
  const exported = source.functions.flatMap((one, i) =>
    one.export === undefined ? [] : [[...text(one.export), 0, ...leb(imports.length + i)]],
  );
  if (memory !== null) exported.push([...text("memory"), 2, 0]);
  sections.set(7, vector(exported));
  if (source.start !== undefined) sections.set(8, leb(source.start));
  sections.set(10, vector(source.functions.map(body)));
  const data = source.data ?? [];
  if (data.length > 0) {
    const items = data.map(({ at, bytes }) => [0, ...i32(at), 0x0b, ...leb(bytes.length), ...bytes]);
    sections.set(11, vector(items));
  }
  for (const [id, bytes] of Object.entries(source.extra ?? {})) sections.set(Number(id), bytes);
  const parts = [...sections]
    .sort(([a], [b]) => a - b)
    .map(([id, bytes]) => [id, ...leb(bytes.length), ...bytes]);
  return concatBytes(
    Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
    ...parts.map((part) => Uint8Array.from(part)),
  );
}

function body(source: FunctionSource): number[] {
  const locals = (source.locals ?? []).map((type) => [1, type]);
  const code = [...vector(locals), ...source.code, 0x0b];
  return [...leb(code.length), ...code];
}

/** Where the test kernels take their input frame. */
const FRAME = 1024;

/** A kernel whose `run` does `run`, and whose output is `length` bytes at `at`. */
export function kernel(options: {
  readonly run?: readonly number[];
  readonly locals?: readonly number[];
  readonly at?: number;
  readonly length?: readonly number[];
  readonly memory?: readonly number[] | null;
  readonly start?: readonly number[];
  readonly trace?: { readonly at: number; readonly length: number; readonly leaf: number };
  readonly extra?: Readonly<Record<number, readonly number[]>>;
}): Uint8Array {
  const constant = (name: string, code: readonly number[]): FunctionSource => ({
    results: [I32],
    code,
    export: name,
  });
  const { trace } = options;
  const functions: FunctionSource[] = [
    { params: [I32], results: [I32], code: i32(FRAME), export: "input" },
    { results: [I32], locals: options.locals ?? [], code: options.run ?? i32(0), export: "run" },
    constant("output", i32(options.at ?? FRAME)),
    constant("outputLength", options.length ?? i32(16)),
  ];
  if (trace !== undefined) {
    functions.push(constant("trace", i32(trace.at)), constant("traceLength", i32(trace.length)));
    functions.push(constant("traceLeaf", i32(trace.leaf)));
  }
  if (options.start !== undefined) functions.push({ code: options.start });
  return assemble({
    functions,
    memory: options.memory === undefined ? [0, 2] : options.memory,
    ...(options.start === undefined ? {} : { start: functions.length - 1 }),
    ...(options.extra === undefined ? {} : { extra: options.extra }),
  });
}

/** `run` never returns. */
export const endlessLoop = kernel({ run: [0x03, 0x40, 0x0c, 0, 0x0b, 0x00] });

/** Grows its memory a page at a time until it is refused, then writes to every page; ends with the pages it has. */
export const memoryHog = kernel({
  run: [0x03, 0x40, ...i32(16), 0x40, 0, ...i32(-1), 0x47, 0x0d, 0, 0x0b, 0x3f, 0],
});

/** Its output is `length` bytes. */
export function outputFlood(length: number): Uint8Array {
  return kernel({ length: i32(length), memory: [0, ...leb(Math.ceil(length / 65_536) + 1)] });
}

/** Calls itself without end. */
export const endlessRecursion = assemble({
  functions: [
    { params: [I32], results: [I32], code: i32(FRAME), export: "input" },
    { results: [I32], code: [...call(1), ...i32(1), 0x6a], export: "run" },
    { results: [I32], code: i32(0), export: "output" },
    { results: [I32], code: i32(0), export: "outputLength" },
  ],
});

/** Traps while it is loaded, in its start function. */
export const trapAtLoad = kernel({ start: [0x00] });

/** Sends back its frame as it came: `u32` count, lengths, parts; at most one page. */
export function echoKernel(length: number): Uint8Array {
  return kernel({ at: FRAME, length: i32(length) });
}

/** Copies standard input to standard output, 256 bytes at a time. */
export const echoCommand = assemble({
  imports: [
    { name: "fd_read", params: [I32, I32, I32, I32], results: [I32] },
    { name: "fd_write", params: [I32, I32, I32, I32], results: [I32] },
  ],
  functions: [
    {
      code: [
        0x03,
        0x40,
        ...[...i32(0), ...i32(64), 0x36, 2, 0, ...i32(4), ...i32(256), 0x36, 2, 0],
        ...[...i32(0), ...i32(0), ...i32(1), ...i32(8), ...call(0), 0x1a],
        ...[...i32(4), ...i32(8), 0x28, 2, 0, 0x36, 2, 0],
        ...[...i32(1), ...i32(0), ...i32(1), ...i32(12), ...call(1), 0x1a],
        ...[...i32(8), 0x28, 2, 0, 0x0d, 0],
        0x0b,
      ],
      export: "_start",
    },
  ],
});

/** Writes a page to standard output without end. */
export const floodCommand = assemble({
  imports: [{ name: "fd_write", params: [I32, I32, I32, I32], results: [I32] }],
  functions: [
    {
      code: [
        ...[...i32(4), ...i32(65_536), 0x36, 2, 0],
        ...[0x03, 0x40, ...i32(1), ...i32(0), ...i32(1), ...i32(8), ...call(0), 0x1a, 0x0c, 0, 0x0b],
      ],
      export: "_start",
    },
  ],
});

/** Opens `path` with `create` from the only directory given, and ends with the error number as its exit code. */
export function openCommand(path: string, create = 0): Uint8Array {
  const bytes = new TextEncoder().encode(path);
  return assemble({
    imports: [
      { name: "path_open", params: [I32, I32, I32, I32, I32, I64, I64, I32, I32], results: [I32] },
      { name: "proc_exit", params: [I32], results: [] },
    ],
    functions: [
      {
        code: [
          ...[...i32(3), ...i32(0), ...i32(64), ...i32(bytes.length), ...i32(create), 0x42, 0, 0x42, 0],
          ...[...i32(0), ...i32(0), ...call(0), ...call(1)],
        ],
        export: "_start",
      },
    ],
    data: [{ at: 64, bytes }],
  });
}
