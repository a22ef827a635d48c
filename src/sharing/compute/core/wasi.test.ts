import assert from "node:assert/strict";
import { test } from "node:test";
import { Wasi } from "./wasi.ts";
import { ERRNO } from "./wasi-errno.ts";
import { QuotaError } from "./wasi-files.ts";
import { WASI_NAMES } from "./wasi-names.ts";
import { WasiExit } from "./wasi-process.ts";
import { readCommandOutput, seedOf } from "./wasm-job.ts";

/** Calls WASI as a module would, through a memory. */
class Caller {
  readonly memory: WebAssembly.Memory;
  readonly wasi: Wasi;
  readonly #calls: Record<string, (...args: never[]) => number>;

  constructor(options: { inputs?: string[]; args?: string[]; outputBytes?: number; pages?: number } = {}) {
    this.memory = new WebAssembly.Memory({ initial: options.pages ?? 2 });
    const inputs = (options.inputs ?? []).map((text) => new TextEncoder().encode(text));
    this.wasi = new Wasi({
      args: options.args ?? [],
      inputs,
      seed: seedOf(1),
      outputBytes: options.outputBytes ?? 1000,
    });
    this.wasi.memory = this.memory;
    this.#calls = this.wasi.imports();
  }

  call(name: string, ...args: (number | bigint)[]): number {
    return this.#calls[name]!(...(args as never[]));
  }

  u32(at: number): number {
    return new DataView(this.memory.buffer).getUint32(at, true);
  }

  put(at: number, text: string): number {
    const bytes = new TextEncoder().encode(text);
    new Uint8Array(this.memory.buffer, at).set(bytes);
    return bytes.length;
  }

  text(at: number, length: number): string {
    return new TextDecoder().decode(new Uint8Array(this.memory.buffer, at, length));
  }

  /** The descriptor, or minus the error number. */
  open(path: string, how = 0, flags = 0, from = 3): number {
    const error = this.call("path_open", from, 0, 4096, this.put(4096, path), how, 0n, 0n, flags, 8);
    return error === 0 ? this.u32(8) : -error;
  }

  write(fd: number, text: string): number {
    this.#vector(this.put(8192, text));
    return this.call("fd_write", fd, 0, 1, 16);
  }

  read(fd: number, length: number): string {
    this.#vector(length);
    assert.equal(this.call("fd_read", fd, 0, 1, 16), 0);
    return this.text(8192, this.u32(16));
  }

  #vector(length: number): void {
    const view = new DataView(this.memory.buffer);
    view.setUint32(0, 8192, true);
    view.setUint32(4, length, true);
  }

  output(): { files: Record<string, string>; stdout: string } {
    const { files, stdout } = readCommandOutput(this.wasi.output())!;
    const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
    return {
      files: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, decode(bytes)])),
      stdout: decode(stdout),
    };
  }
}

const CREATE = 1;
const EXCLUSIVE = 4;
const TRUNCATE = 8;

test("every function of preview1 is there, and no other", () => {
  assert.deepEqual(Object.keys(new Caller().wasi.imports()).sort(), [...WASI_NAMES].sort());
});

test("inputs are read, outputs written, and come out by name", () => {
  const module = new Caller({ inputs: ["first", "second"] });
  assert.equal(module.read(0, 3), "fir");
  assert.equal(module.read(0, 10), "st");
  assert.equal(module.read(0, 10), "");
  const input = module.open("in/1");
  assert.equal(module.read(input, 100), "second");
  assert.equal(module.write(input, "x"), ERRNO.rofs);
  const output = module.open("out/a.txt", CREATE);
  assert.equal(module.write(output, "hello"), 0);
  assert.equal(module.call("fd_seek", output, -4n, 1, 24), 0);
  assert.equal(module.write(output, "E"), 0);
  assert.equal(module.call("path_create_directory", 3, 4096, module.put(4096, "out/d")), 0);
  assert.equal(module.write(module.open("out/d/b", CREATE), "deep"), 0);
  assert.equal(module.write(1, "said"), 0);
  assert.deepEqual(module.output(), { files: { "a.txt": "hEllo", "d/b": "deep" }, stdout: "said" });
});

test("no path leads out: not up, not absolute, not by a link, not into /in", () => {
  const module = new Caller({ inputs: ["x"] });
  for (const path of ["..", "../etc/passwd", "out/../..", "in/../../x", "/etc/passwd", "./../.."]) {
    assert.equal(module.open(path, CREATE), -ERRNO.notcapable, path);
  }
  assert.equal(module.open("etc/passwd"), -ERRNO.noent);
  assert.equal(module.open("in/new", CREATE), -ERRNO.rofs);
  assert.equal(module.open("new", CREATE), -ERRNO.rofs);
  assert.equal(module.open("in/0", TRUNCATE), -ERRNO.rofs);
  assert.equal(module.call("path_symlink", 0, 1, 3, 0, 1), ERRNO.notsup);
  assert.equal(module.call("path_link", 3, 0, 0, 1, 3, 0, 1), ERRNO.notsup);
  const within = module.open("out");
  assert.equal(module.open("../in/0", 0, 0, within), -ERRNO.notcapable, "a directory is a root of its own");
  assert.equal(module.open("in/0/x"), -ERRNO.notdir);
  assert.equal(module.open("out/../in/0") > 3, true);
  assert.equal(module.call("sock_send", 3, 0, 0, 0, 0), ERRNO.notsup);
});

test("bytes are counted once and for good; one too many ends the module", () => {
  const module = new Caller({ outputBytes: 10 });
  const fd = module.open("out/a", CREATE);
  assert.equal(module.write(fd, "12345"), 0);
  assert.equal(module.call("fd_filestat_set_size", fd, 0n), 0);
  assert.equal(module.call("path_unlink_file", 3, 4096, module.put(4096, "out/a")), 0);
  assert.equal(module.write(1, "12345"), 0, "what is left");
  assert.throws(() => module.write(1, "1"), QuotaError);
  assert.throws(() => module.call("fd_allocate", fd, 0n, 1n << 40n), QuotaError);
  const errors = new Caller({ outputBytes: 0 });
  for (let i = 0; i < 200; i++)
    assert.equal(errors.write(2, "a complaint of some length, again and again"), 0);
  assert.equal(errors.wasi.errorText().length, 4096, "standard error is kept in part, and is no output");
});

test("descriptors, files and names have limits", () => {
  const module = new Caller();
  let last = 0;
  for (let i = 0; i < 200; i++) last = module.open("out");
  assert.equal(last, -ERRNO.mfile);
  const files = new Caller();
  let error = 0;
  for (let i = 0; i < 5000 && error >= 0; i++) {
    error = files.open(`out/${i}`, CREATE | EXCLUSIVE);
    if (error > 0) files.call("fd_close", error);
  }
  assert.equal(error, -ERRNO.nospc);
  assert.equal(new Caller().open(`out/${"a".repeat(256)}`, CREATE), -ERRNO.nametoolong);
});

test("a pointer beyond the memory is an error number, and so is a bad descriptor", () => {
  const module = new Caller();
  assert.equal(module.call("random_get", 131_070, 100), ERRNO.fault);
  assert.equal(module.call("fd_write", 1, 131_068, 1, 0), ERRNO.fault);
  assert.equal(module.call("fd_read", 77, 0, 1, 16), ERRNO.badf);
  assert.equal(module.call("fd_pread", 0, 0, 1, -5n, 16), ERRNO.inval);
  assert.equal(module.call("fd_readdir", 3, 0, 100, -1n, 200), ERRNO.inval);
  assert.equal(module.call("args_get", -4, 0), ERRNO.fault);
});

test("the clock stands still, the environment is empty, chance is the seed's", () => {
  const [a, b] = [new Caller({ args: ["x"] }), new Caller()];
  for (const module of [a, b]) {
    assert.equal(module.call("clock_time_get", 0, 0n, 0), 0);
    assert.equal(module.call("random_get", 32, 64), 0);
  }
  assert.equal(new DataView(a.memory.buffer).getBigUint64(0, true), 946_684_800_000_000_000n);
  assert.equal(a.text(32, 64), b.text(32, 64));
  assert.equal(a.call("environ_sizes_get", 0, 4), 0);
  assert.deepEqual([a.u32(0), a.u32(4)], [0, 0]);
  assert.equal(a.call("args_sizes_get", 0, 4), 0);
  assert.equal(a.call("args_get", 16, 64), 0);
  assert.deepEqual([a.u32(0), a.text(64, a.u32(4))], [2, "module\0x\0"]);
  assert.throws(() => a.call("proc_exit", 3), WasiExit);
});

test("a directory is listed in order, piece by piece", () => {
  const module = new Caller({ inputs: ["a", "b", "c"] });
  const fd = module.open("in");
  assert.equal(module.call("fd_readdir", fd, 0, 1000, 0n, 2000), 0);
  assert.equal(module.u32(2000), 3 * 25);
  assert.deepEqual(
    [24, 49, 74].map((at) => module.text(at, 1)),
    ["0", "1", "2"],
  );
  assert.equal(module.call("fd_readdir", fd, 0, 30, 2n, 2000), 0);
  assert.deepEqual([module.u32(2000), module.text(24, 1)], [25, "2"]);
});

test("files are renamed, directories removed when empty", () => {
  const module = new Caller();
  module.write(module.open("out/a", CREATE), "text");
  const a = module.put(4096, "out/a");
  const b = module.put(5000, "out/b");
  assert.equal(module.call("path_rename", 3, 4096, a, 3, 5000, b), 0);
  assert.deepEqual(module.output().files, { b: "text" });
  assert.equal(module.call("path_create_directory", 3, 4096, module.put(4096, "out/d")), 0);
  module.open("out/d/x", CREATE);
  assert.equal(module.call("path_remove_directory", 3, 4096, module.put(4096, "out/d")), ERRNO.notempty);
  assert.equal(module.call("path_unlink_file", 3, 4096, module.put(4096, "out/d/x")), 0);
  assert.equal(module.call("path_remove_directory", 3, 4096, module.put(4096, "out/d")), 0);
  assert.equal(module.call("path_remove_directory", 3, 4096, module.put(4096, "out")), ERRNO.rofs);
});

test("pointers beyond 2 GiB, which come as negative numbers, are pointers like others", () => {
  const high = 2 ** 31 + 4096;
  const module = new Caller({ inputs: ["from standard input"], args: ["x"], pages: 32_768 + 2 });
  const view = new DataView(module.memory.buffer);
  // As a module's i32 reaches us: signed.
  const pointer = (at: number): number => at | 0;
  view.setUint32(high, high + 64, true);
  view.setUint32(high + 4, 4, true);
  view.setUint32(high + 8, high + 128, true);
  view.setUint32(high + 12, 100, true);
  assert.equal(module.call("fd_read", 0, pointer(high), 2, pointer(high + 16)), 0);
  assert.equal(module.u32(high + 16), 19);
  assert.equal(module.text(high + 64, 4) + module.text(high + 128, 15), "from standard input");
  view.setUint32(high + 12, 15, true);
  assert.equal(module.call("fd_write", 1, pointer(high), 2, pointer(high + 16)), 0);
  assert.equal(module.output().stdout, "from standard input");
  assert.equal(module.call("args_get", pointer(high), pointer(high + 64)), 0);
  assert.deepEqual(
    [module.u32(high + 4), module.text(high + 64, 9)],
    [pointer(high + 71) >>> 0, "module\0x\0"],
  );
  assert.equal(module.call("fd_fdstat_get", 0, pointer(high)), 0);
  assert.equal(view.getUint8(high), 2);
  assert.equal(module.call("poll_oneoff", pointer(high), pointer(high + 256), 1, pointer(high + 512)), 0);
  assert.equal(module.u32(high + 512), 1);
  const end = 65_536 * (32_768 + 2);
  assert.equal(module.call("fd_write", 1, pointer(end - 4), 1, 16), ERRNO.fault);
});

test("what begins at the end of the address space does not go on at its beginning", () => {
  const module = new Caller({ args: ["x"] });
  new Uint8Array(module.memory.buffer).fill(7);
  assert.equal(module.call("args_get", 64, -3), ERRNO.fault);
  assert.equal(module.call("poll_oneoff", -48, 0, 2, 512), ERRNO.fault);
  assert.equal(module.call("fd_fdstat_get", 0, -8), ERRNO.fault);
  const untouched = new Uint8Array(module.memory.buffer).subarray(0, 64);
  assert.ok(untouched.every((byte) => byte === 7));
});
