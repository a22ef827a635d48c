/** A module's memory, as the functions that it calls read and write it. */
export class ModuleMemory {
  #memory: WebAssembly.Memory | undefined;

  /** Set once the module has its instance: it grows, so the buffer is asked for anew each time. */
  set source(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  view(): DataView {
    return new DataView(this.#memory!.buffer);
  }

  /** @throws RangeError beyond its end, as all of these do. */
  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#memory!.buffer, at, length);
  }

  set32(at: number, value: number): void {
    this.view().setUint32(at, value, true);
  }

  set64(at: number, value: bigint): void {
    this.view().setBigUint64(at, value, true);
  }
}
