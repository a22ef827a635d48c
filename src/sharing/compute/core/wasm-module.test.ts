import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { assemble, echoCommand, echoKernel, I32, i32, kernel } from "./test-modules.ts";
import { checkModule } from "./wasm-module.ts";

const LIMIT = 2 ** 20;

function reason(code: Uint8Array, memoryBytes = LIMIT): string {
  const verdict = checkModule(code, memoryBytes);
  return verdict.ok ? "accepted" : verdict.reason;
}

function memoryOf(code: Uint8Array): WebAssembly.Memory {
  const verdict = checkModule(code, LIMIT);
  assert.ok(verdict.ok, JSON.stringify(verdict));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(verdict.module.bytes), {});
  return exports["memory"] as WebAssembly.Memory;
}

test("the two interfaces are told apart by their exports", () => {
  const command = checkModule(echoCommand, LIMIT);
  assert.ok(command.ok && command.module.abi === "wasi");
  const one = checkModule(echoKernel(16), LIMIT);
  assert.ok(one.ok && one.module.abi === "kernel");
  const neither = assemble({ functions: [{ results: [I32], code: i32(0), export: "run" }] });
  assert.match(
    reason(neither),
    /neither a WASI command \(_start\) nor a kernel \(lacks input, output, outputLength\)/,
  );
  assert.match(reason(kernel({ memory: null })), /exports no memory/);
});

test("our own kernels without imports pass, and the tracer keeps its exports", () => {
  const folder = new URL("../../../../kernels/", import.meta.url);
  const names = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.ok(names.some(({ name }) => name === "tracer"));
  for (const { name } of names) {
    const code = readFileSync(new URL(`${name}/${name}.wasm`, folder));
    const text = reason(code, 2 ** 32);
    // Kernels of other interfaces are told so; one uses relaxed SIMD, which tasks may not.
    const expected = /relaxed/.test(name) ? /relaxed SIMD/ : /accepted|neither|no memory/;
    assert.match(text, expected, name);
  }
  assert.equal(reason(readFileSync(new URL("tracer/tracer.wasm", folder)), 2 ** 26), "accepted");
});

test("memory without a maximum, or with a larger one, is capped at the limit; a smaller one stays", () => {
  const refused = -1;
  const grow = (memory: WebAssembly.Memory, pages: number): number => {
    try {
      return memory.grow(pages);
    } catch {
      return refused;
    }
  };
  const open = memoryOf(kernel({ memory: [0, 2] }));
  assert.equal(grow(open, 14), 2);
  assert.equal(grow(open, 1), refused);
  const large = memoryOf(kernel({ memory: [1, 2, 0x80, 0x80, 0x04] }));
  assert.equal(grow(large, 15), refused);
  const small = memoryOf(kernel({ memory: [1, 2, 3] }));
  assert.equal(grow(small, 2), refused);
  assert.equal(grow(small, 1), 2);
});

test("what differs between machines, or escapes the sandbox's idea, is refused by name", () => {
  const run = (code: readonly number[]): Uint8Array => kernel({ run: code });
  const cases: [Uint8Array, RegExp][] = [
    [run([0xfd, 0x80, 0x02, ...i32(0)]), /relaxed SIMD/],
    [run([0xfe, 0x03, 0x00, ...i32(0)]), /threads/],
    [run([0xfb, 0x00, 0x00, ...i32(0)]), /garbage-collected/],
    [run([0x06, 0x40, 0x0b, ...i32(0)]), /exceptions/],
    [run([0x14, 0x00, ...i32(0)]), /typed function references/],
    [run([0xff]), /unknown instruction 0xff/],
    [run([0xfc, 0x20]), /unknown instruction 0xfc 32/],
    [run([0x3f, 0x01]), /more than one memory/],
    [run([...i32(0), 0x28, 0x42, 0x00]), /more than one memory/],
    [kernel({ memory: [3, 1, 2] }), /shared memory \(threads\)/],
    [kernel({ memory: [4, 1] }), /64 bits/],
    [kernel({ memory: [0, 17] }), /1114112 bytes of memory, over the limit of 1048576/],
    [kernel({ extra: { 4: [1, 0x70, 0, 0x81, 0x80, 0x10] } }), /table of more than/],
    [kernel({ extra: { 4: [5] } }), /more than 4 tables/],
    [kernel({ extra: { 13: [0] } }), /exceptions/],
    [kernel({ extra: { 14: [0] } }), /unknown section 14/],
    [kernel({ extra: { 1: [1, 0x5f, 0] } }), /garbage-collected/],
    [assemble({ ...importing("env", "abort"), functions: [] }), /env.abort, which Freehold does not have/],
    [assemble({ ...importing(undefined, "fd_exec"), functions: [] }), /fd_exec/],
    [kernel({ extra: { 2: [1, 1, 0x61, 1, 0x62, 2, 0, 1] } }), /a.b, which is not a function/],
  ];
  for (const [code, expected] of cases) assert.match(reason(code), expected);
});

function importing(
  module: string | undefined,
  name: string,
): Pick<Parameters<typeof assemble>[0], "imports"> {
  return { imports: [{ ...(module === undefined ? {} : { module }), name, params: [], results: [] }] };
}

test("a module cut at any byte, and one with lengths that lie, is refused and nothing else", () => {
  for (let length = 0; length < echoCommand.length; length++) {
    const verdict = checkModule(echoCommand.slice(0, length), LIMIT);
    // Cut between two sections it is whole to us, and the engine misses the code.
    if (verdict.ok) assert.throws(() => new WebAssembly.Module(verdict.module.bytes), /code section/);
  }
  assert.match(
    reason(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f)),
    /beyond the end/,
  );
  const twice = kernel({});
  const types = twice.slice(8, 10 + twice[9]!);
  assert.match(
    reason(Uint8Array.from([...twice.slice(0, 8), ...types, ...twice.slice(8)])),
    /twice or out of order/,
  );
});
