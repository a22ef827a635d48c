/**
 * The files that a task sees: `/in/<i>` to read, `/out` to write, all in memory. There is no way from a path to the
 * machine's files, since nothing here knows of them.
 */

/** What a task has used up; thrown through the module, so that it ends with this reason. */
export class QuotaError extends Error {
  override readonly name = "QuotaError";
}

/** Bytes that may be written in all. What was written once stays counted, removed or not. */
export class Quota {
  readonly limit: number;
  #left: number;

  constructor(limit: number) {
    this.limit = limit;
    this.#left = limit;
  }

  /** @throws QuotaError when that is more than is left. */
  take(bytes: number): void {
    if (bytes > this.#left) throw new QuotaError(`wrote more than its ${this.limit} bytes of output`);
    this.#left -= bytes;
  }
}

/** Most files and directories of one task. */
export const MAX_NODES = 4096;
export const MAX_DEPTH = 32;
export const MAX_NAME = 255;

/** Bytes that grow by doubling, each new one charged to the quota once. */
export class MemoryFile {
  readonly kind = "file";
  readonly writable: boolean;
  readonly inode: number;
  readonly #quota: Quota | undefined;
  #bytes: Uint8Array;
  #length: number;
  /** Bytes paid for. */
  #charged: number;

  constructor(inode: number, content: Uint8Array, quota?: Quota) {
    this.inode = inode;
    this.#bytes = content;
    this.#length = content.length;
    this.#charged = content.length;
    this.#quota = quota;
    this.writable = quota !== undefined;
  }

  get length(): number {
    return this.#length;
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Copies what is there from `at`; how many bytes that were. */
  read(into: Uint8Array, at: number): number {
    if (at >= this.#length) return 0;
    const part = this.#bytes.subarray(at, Math.min(this.#length, at + into.length));
    into.set(part);
    return part.length;
  }

  write(bytes: Uint8Array, at: number): void {
    if (bytes.length === 0) return;
    this.resize(Math.max(this.#length, at + bytes.length));
    this.#bytes.set(bytes, at);
  }

  resize(length: number): void {
    if (length > this.#charged) {
      this.#quota?.take(length - this.#charged);
      this.#charged = length;
    }
    if (length > this.#bytes.length) {
      const room = Math.min(Math.max(length, 2 * this.#bytes.length, 1024), this.#quota?.limit ?? length);
      const grown = new Uint8Array(room);
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    if (length < this.#length) this.#bytes.fill(0, length, this.#length);
    this.#length = length;
  }
}

export class MemoryDirectory {
  readonly kind = "directory";
  readonly writable: boolean;
  readonly inode: number;
  readonly entries = new Map<string, MemoryNode>();

  constructor(inode: number, writable: boolean) {
    this.inode = inode;
    this.writable = writable;
  }
}

export type MemoryNode = MemoryFile | MemoryDirectory;

/** The tree of one task. */
export class MemoryTree {
  readonly root = new MemoryDirectory(1, false);
  readonly out = new MemoryDirectory(3, true);
  readonly quota: Quota;
  #nodes = 3;

  constructor(inputs: readonly Uint8Array[], quota: Quota) {
    this.quota = quota;
    const into = new MemoryDirectory(2, false);
    this.root.entries.set("in", into);
    this.root.entries.set("out", this.out);
    for (const [i, bytes] of inputs.entries()) {
      into.entries.set(String(i), new MemoryFile(++this.#nodes, bytes));
    }
  }

  /** An empty file or directory, unless there are too many. */
  newNode(kind: MemoryNode["kind"]): MemoryNode | undefined {
    if (this.#nodes >= MAX_NODES) return undefined;
    const inode = ++this.#nodes;
    return kind === "file"
      ? new MemoryFile(inode, new Uint8Array(0), this.quota)
      : new MemoryDirectory(inode, true);
  }

  /** What was written under `/out`, by path, in order of the names. */
  written(): Record<string, Uint8Array> {
    const files: [string, Uint8Array][] = [];
    const walk = (directory: MemoryDirectory, prefix: string): void => {
      for (const [name, node] of directory.entries) {
        if (node.kind === "directory") walk(node, `${prefix}${name}/`);
        else files.push([prefix + name, node.view().slice()]);
      }
    };
    walk(this.out, "");
    return Object.fromEntries(files.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
