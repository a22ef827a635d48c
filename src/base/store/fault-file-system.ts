import { basename, dirname, resolve } from "node:path";
import type { Random } from "#base/lib/random.ts";
import { systemError } from "./disk-error.ts";
import type { StoreImage } from "./fault-store.ts";
import type { FileStat, FileSystem, OpenFile, OpenMode } from "./file-system.ts";
import type { Power } from "./power.ts";

/** Bytes that grow; what lies between writes reads as zeros. */
class Content {
  #bytes: Uint8Array;
  length: number;

  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#bytes = bytes;
    this.length = bytes.length;
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.view());
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, position);
    this.length = Math.max(this.length, end);
  }

  truncate(length: number): void {
    if (length > this.length) this.write(new Uint8Array(length - this.length), this.length);
    else this.#bytes.fill(0, length, this.length);
    this.length = length;
  }
}

type Change =
  | { readonly kind: "write"; readonly bytes: Uint8Array; readonly position: number }
  | { readonly kind: "truncate"; readonly length: number };

/** A file: what programs see, what the disk surely holds, and the changes between the two. */
class FileNode {
  readonly live: Content;
  readonly #durable: Content;
  #pending: Change[] = [];

  constructor(live: Content = new Content(), durable: Content = new Content(), pending: Change[] = []) {
    this.live = live;
    this.#durable = durable;
    this.#pending = pending;
  }

  change(change: Change): void {
    this.#pending.push(change);
    applyChange(this.live, change);
  }

  sync(): void {
    for (const change of this.#pending) applyChange(this.#durable, change);
    this.#pending = [];
  }

  copy(): FileNode {
    return new FileNode(
      new Content(this.live.view().slice()),
      new Content(this.#durable.view().slice()),
      this.#pending.slice(),
    );
  }

  /** The file after a power cut: the synced content, and of the rest what chance left. */
  afterCut(random: Random): FileNode {
    const content = new Content(this.#durable.view().slice());
    const order = random.below(3);
    // 0: the rest is lost; 1: it was written in order up to some change; 2: changes reached the disk in any order.
    const reached = order === 1 ? random.below(this.#pending.length + 1) : 0;
    this.#pending.forEach((change, i) => {
      if (order === 1 && i < reached) applyChange(content, change);
      else if ((order === 1 && i === reached) || (order === 2 && random.below(3) === 0))
        tear(content, change, random);
      else if (order === 2 && random.below(2) === 0) applyChange(content, change);
    });
    return new FileNode(content, new Content(content.view().slice()));
  }
}

function applyChange(content: Content, change: Change): void {
  if (change.kind === "write") content.write(change.bytes, change.position);
  else content.truncate(change.length);
}

/** A write of which only a part came through, or only the new length of the file. */
function tear(content: Content, change: Change, random: Random): void {
  if (change.kind === "truncate") return;
  const length = random.below(change.bytes.length + 1);
  if (random.below(2) === 0) content.write(change.bytes.subarray(0, length), change.position);
  else content.truncate(Math.max(content.length, change.position + length));
}

type Node = FileNode | DirectoryNode;

/** Entries that changed together: the two names of a rename, or one. `undefined` is "gone". */
type EntryChange = readonly (readonly [name: string, node: Node | undefined])[];

class DirectoryNode {
  readonly live: Map<string, Node>;
  readonly #durable: Map<string, Node>;
  #pending: EntryChange[];
  /** The key-value store in this directory. */
  store: StoreImage | undefined;

  constructor(
    live = new Map<string, Node>(),
    durable = new Map<string, Node>(),
    pending: EntryChange[] = [],
  ) {
    this.live = live;
    this.#durable = durable;
    this.#pending = pending;
  }

  change(change: EntryChange): void {
    this.#pending.push(change);
    applyEntries(this.live, change);
  }

  sync(): void {
    for (const change of this.#pending) applyEntries(this.#durable, change);
    this.#pending = [];
  }

  copy(copies = new Map<Node, Node>()): DirectoryNode {
    // A node may stand under several names, in the live entries and the durable ones: its copy is one, too.
    const copied = (node: Node): Node => {
      const known = copies.get(node);
      if (known !== undefined) return known;
      const copy = node instanceof FileNode ? node.copy() : node.copy(copies);
      copies.set(node, copy);
      return copy;
    };
    const map = (entries: Map<string, Node>): Map<string, Node> =>
      new Map([...entries].map(([name, node]) => [name, copied(node)]));
    const pending = this.#pending.map((change) =>
      change.map(([name, node]) => [name, node && copied(node)] as const),
    );
    const directory = new DirectoryNode(map(this.live), map(this.#durable), pending);
    directory.store = this.store?.copy();
    return directory;
  }

  /** Bytes of all below it, as programs see it. */
  get byteLength(): number {
    let sum = this.store?.live.bytes ?? 0;
    for (const node of this.live.values())
      sum += node instanceof FileNode ? node.live.length : node.byteLength;
    return sum;
  }

  /** The directory after a power cut: its synced entries, and the changes after them up to some instant. */
  afterCut(random: Random): DirectoryNode {
    const entries = new Map(this.#durable);
    const reached = random.below(this.#pending.length + 1);
    for (const change of this.#pending.slice(0, reached)) applyEntries(entries, change);
    const after = new Map([...entries].map(([name, node]) => [name, node.afterCut(random)]));
    const directory = new DirectoryNode(after, new Map(after));
    directory.store = this.store?.afterCut(random);
    return directory;
  }
}

function applyEntries(entries: Map<string, Node>, change: EntryChange): void {
  for (const [name, node] of change) {
    if (node === undefined) entries.delete(name);
    else entries.set(name, node);
  }
}

class FaultFile implements OpenFile {
  readonly #node: FileNode;
  readonly #path: string;
  readonly #power: Power;
  readonly #mode: OpenMode;
  #closed = false;

  constructor(node: FileNode, path: string, power: Power, mode: OpenMode) {
    this.#node = node;
    this.#path = path;
    this.#power = power;
    this.#mode = mode;
  }

  #check(call: string, writes: boolean): void {
    this.#power.check();
    if (this.#closed || (writes && this.#mode === "read")) throw systemError("EBADF", call, this.#path);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    this.#check("read", false);
    const from = this.#node.live.view().subarray(position, position + into.length);
    into.set(from);
    return from.length;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    this.#check("write", true);
    if (bytes.length === 0) return;
    this.#power.take(Math.max(0, position + bytes.length - this.#node.live.length), this.#path);
    const own = bytes.slice();
    this.#power.change(() => this.#node.change({ kind: "write", bytes: own, position }));
  }

  async truncate(length: number): Promise<void> {
    this.#check("ftruncate", true);
    this.#power.take(length - this.#node.live.length, this.#path);
    this.#power.change(() => this.#node.change({ kind: "truncate", length }));
  }

  async sync(): Promise<void> {
    this.#check("fdatasync", false);
    this.#power.sync({ kind: "file", path: this.#path }, () => this.#node.sync());
  }

  async size(): Promise<number> {
    this.#check("fstat", false);
    return this.#node.live.length;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}

/** Files in memory under one {@link Power}. Paths are resolved as the machine's are; the root always exists. */
export class FaultFileSystem implements FileSystem {
  readonly #root: DirectoryNode;
  readonly #power: Power;

  constructor(power: Power, root: DirectoryNode = new DirectoryNode()) {
    this.#power = power;
    this.#root = root;
  }

  copyTree(): DirectoryNode {
    return this.#root.copy();
  }

  treeAfterCut(random: Random): DirectoryNode {
    return this.#root.afterCut(random);
  }

  #find(path: string): Node | undefined {
    let node: Node = this.#root;
    for (const name of partsOf(path)) {
      if (node instanceof FileNode) return undefined;
      const next = node.live.get(name);
      if (next === undefined) return undefined;
      node = next;
    }
    return node;
  }

  /** @throws ENOENT or ENOTDIR */
  directory(path: string, call: string): DirectoryNode {
    const node = this.#find(path);
    if (node === undefined) throw systemError("ENOENT", call, path);
    if (node instanceof FileNode) throw systemError("ENOTDIR", call, path);
    return node;
  }

  #file(path: string, call: string): FileNode {
    const node = this.#find(path);
    if (node === undefined) throw systemError("ENOENT", call, path);
    if (node instanceof DirectoryNode) throw systemError("EISDIR", call, path);
    return node;
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    this.#power.check();
    if (mode === "create" && this.#find(path) === undefined) {
      const node = new FileNode();
      const parent = this.directory(dirname(path), "open");
      this.#power.change(() => parent.change([[basename(path), node]]));
    }
    return new FaultFile(this.#file(path, "open"), path, this.#power, mode);
  }

  async readFile(path: string, maxLength = 0x1000_0000): Promise<Uint8Array> {
    this.#power.check();
    const { live } = this.#file(path, "open");
    if (live.length > maxLength) throw new Error(`${path} is longer than ${maxLength} bytes`);
    return live.view().slice();
  }

  async stat(path: string): Promise<FileStat | undefined> {
    this.#power.check();
    const node = this.#find(path);
    if (node === undefined) return undefined;
    return node instanceof FileNode
      ? { size: node.live.length, isDirectory: false }
      : { size: 0, isDirectory: true };
  }

  async readDirectory(path: string): Promise<string[]> {
    this.#power.check();
    return [...this.directory(path, "scandir").live.keys()].sort();
  }

  async makeDirectory(path: string): Promise<void> {
    this.#power.check();
    let node = this.#root;
    let at = "/";
    for (const name of partsOf(path)) {
      const parent: DirectoryNode = node;
      let next = parent.live.get(name);
      if (next instanceof FileNode) throw systemError("EEXIST", "mkdir", path);
      if (next === undefined) {
        const made = new DirectoryNode();
        this.#power.change(() => parent.change([[name, made]]));
        this.#power.sync({ kind: "directory", path: at }, () => parent.sync());
        next = made;
      }
      node = next;
      at = resolve(at, name);
    }
  }

  async rename(from: string, to: string): Promise<void> {
    this.#power.check();
    const node = this.#find(from);
    if (node === undefined) throw systemError("ENOENT", "rename", from);
    const parent = this.directory(dirname(to), "rename");
    if (parent !== this.directory(dirname(from), "rename")) throw systemError("EXDEV", "rename", from);
    this.#release(parent.live.get(basename(to)));
    this.#power.change(() =>
      parent.change([
        [basename(from), undefined],
        [basename(to), node],
      ]),
    );
  }

  async remove(path: string): Promise<void> {
    this.#power.check();
    const file = this.#file(path, "unlink");
    const parent = this.directory(dirname(path), "unlink");
    this.#release(file);
    this.#power.change(() => parent.change([[basename(path), undefined]]));
  }

  async removeTree(path: string): Promise<void> {
    this.#power.check();
    const node = this.#find(path);
    if (node === undefined) return;
    if (node instanceof DirectoryNode) {
      for (const name of [...node.live.keys()]) await this.removeTree(resolve(path, name));
    } else this.#release(node);
    const parent = this.directory(dirname(path), "rmdir");
    this.#power.change(() => parent.change([[basename(path), undefined]]));
  }

  #release(node: Node | undefined): void {
    if (node instanceof FileNode) this.#power.used -= node.live.length;
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = this.directory(path, "fsync");
    this.#power.sync({ kind: "directory", path }, () => directory.sync());
  }

  async freeSpace(): Promise<number> {
    this.#power.check();
    return Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, this.#power.capacity - this.#power.used));
  }
}

function partsOf(path: string): string[] {
  return resolve(path)
    .split(/[\\/]/)
    .filter((part) => part !== "");
}
