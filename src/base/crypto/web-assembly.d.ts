/** The part of the WebAssembly JavaScript interface that is used here; Node's own types leave it out. */
declare namespace WebAssembly {
  /** A trap: the instance may be in any state. */
  class RuntimeError extends Error {}
  class Module {
    constructor(bytes: Uint8Array);
    static imports(module: Module): readonly unknown[];
  }
  class Instance {
    constructor(module: Module, imports: object);
    readonly exports: Readonly<Record<string, unknown>>;
  }
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
}
