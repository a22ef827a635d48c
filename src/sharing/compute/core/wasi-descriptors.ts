/** The descriptors of a command: its standard streams and the files and directories of its tree, all in memory. */
import { FIXED_TIME, MAX_LIST, type WasiCall } from "./wasi-calls.ts";
import { ERRNO, type Errno } from "./wasi-errno.ts";
import { MemoryDirectory, MemoryFile, type MemoryNode, MemoryTree, Quota } from "./wasi-files.ts";
import type { ModuleMemory } from "./wasi-memory.ts";
import { type Place, resolvePath } from "./wasi-paths.ts";

const MAX_DESCRIPTORS = 128;
const MAX_PATH = 4096;
const MAX_STDERR = 4096;
const ALL_RIGHTS = 0x1fff_ffffn;

const FILE_TYPE = { character: 2, directory: 3, regular: 4 } as const;
const OPEN = { create: 1, directory: 2, exclusive: 4, truncate: 8 } as const;
const APPEND = 1;

/** An open file or directory. */
interface Descriptor {
  readonly node: MemoryNode;
  readonly type: number;
  position: number;
  flags: number;
}

export class DescriptorCalls {
  readonly #memory: ModuleMemory;
  readonly #tree: MemoryTree;
  readonly #stdout: MemoryFile;
  readonly #stderr: MemoryFile;
  readonly #open = new Map<number, Descriptor>();

  constructor(memory: ModuleMemory, inputs: readonly Uint8Array[], outputBytes: number) {
    const quota = new Quota(outputBytes);
    this.#memory = memory;
    this.#tree = new MemoryTree(inputs, quota);
    this.#stdout = new MemoryFile(0, new Uint8Array(0), quota);
    this.#stderr = new MemoryFile(0, new Uint8Array(0), new Quota(MAX_STDERR));
    const stdin = new MemoryFile(0, inputs[0] ?? new Uint8Array(0));
    for (const [fd, node] of [stdin, this.#stdout, this.#stderr].entries()) {
      this.#open.set(fd, { node, type: FILE_TYPE.character, position: 0, flags: 0 });
    }
    this.#open.set(3, { node: this.#tree.root, type: FILE_TYPE.directory, position: 0, flags: 0 });
  }

  /** What was written: files under `/out` by path, standard output, and the first bytes of standard error. */
  written(): { files: Record<string, Uint8Array>; stdout: Uint8Array; stderr: Uint8Array } {
    return { files: this.#tree.written(), stdout: this.#stdout.view(), stderr: this.#stderr.view() };
  }

  calls(): Record<string, WasiCall> {
    return { ...this.#descriptorCalls(), ...this.#fileCalls(), ...this.#pathCalls() };
  }

  #descriptorCalls(): Record<string, WasiCall> {
    const known = (fd: number): Errno => (this.#open.has(fd) ? ERRNO.success : ERRNO.badf);
    return {
      fd_advise: known,
      fd_datasync: known,
      fd_sync: known,
      fd_fdstat_set_rights: known,
      fd_filestat_set_times: known,
      fd_close: (fd: number) => (this.#open.delete(fd) ? ERRNO.success : ERRNO.badf),
      fd_renumber: (from: number, to: number) => {
        const descriptor = this.#open.get(from);
        if (descriptor === undefined || !this.#open.has(to)) return ERRNO.badf;
        this.#open.delete(from);
        this.#open.set(to, descriptor);
        return ERRNO.success;
      },
      fd_fdstat_get: (fd: number, at: number) => {
        const descriptor = this.#open.get(fd);
        if (descriptor === undefined) return ERRNO.badf;
        this.#memory.bytes(at, 24).fill(0);
        this.#memory.bytes(at, 1)[0] = descriptor.type;
        this.#memory.view().setUint16(at + 2, descriptor.flags, true);
        this.#memory.set64(at + 8, ALL_RIGHTS);
        this.#memory.set64(at + 16, ALL_RIGHTS);
        return ERRNO.success;
      },
      fd_fdstat_set_flags: (fd: number, flags: number) => {
        const descriptor = this.#open.get(fd);
        if (descriptor === undefined) return ERRNO.badf;
        descriptor.flags = flags & APPEND;
        return ERRNO.success;
      },
      fd_filestat_get: (fd: number, at: number) => {
        const descriptor = this.#open.get(fd);
        if (descriptor === undefined) return ERRNO.badf;
        return this.#writeStat(at, descriptor.node, descriptor.type);
      },
      fd_prestat_get: (fd: number, at: number) => {
        if (fd !== 3 || !this.#open.has(3)) return ERRNO.badf;
        this.#memory.set32(at, 0);
        this.#memory.set32(at + 4, 1);
        return ERRNO.success;
      },
      fd_prestat_dir_name: (fd: number, at: number, length: number) => {
        if (fd !== 3) return ERRNO.badf;
        if (length < 1) return ERRNO.nametoolong;
        this.#memory.bytes(at, 1)[0] = 0x2f;
        return ERRNO.success;
      },
      fd_readdir: (fd: number, at: number, length: number, cookie: bigint, used: number) =>
        this.#readDirectory(fd, at, length, cookie, used),
    };
  }

  #writeStat(at: number, node: MemoryNode, type: number): Errno {
    this.#memory.bytes(at, 64).fill(0);
    this.#memory.set64(at + 8, BigInt(node.inode));
    this.#memory.bytes(at + 16, 1)[0] = type;
    this.#memory.set64(at + 24, 1n);
    this.#memory.set64(at + 32, BigInt(node.kind === "file" ? node.length : 0));
    for (const field of [40, 48, 56]) this.#memory.set64(at + field, FIXED_TIME);
    return ERRNO.success;
  }

  #readDirectory(fd: number, at: number, length: number, cookie: bigint, used: number): Errno {
    const node = this.#open.get(fd)?.node;
    if (node === undefined) return ERRNO.badf;
    if (node.kind !== "directory") return ERRNO.notdir;
    if (cookie < 0n) return ERRNO.inval;
    const names = [...node.entries.keys()].sort();
    const into = this.#memory.bytes(at, length);
    let filled = 0;
    for (let i = Number(cookie); i < names.length && filled < length; i++) {
      const child = node.entries.get(names[i]!)!;
      const name = new TextEncoder().encode(names[i]!);
      const entry = new Uint8Array(24 + name.length);
      const view = new DataView(entry.buffer);
      view.setBigUint64(0, BigInt(i + 1), true);
      view.setBigUint64(8, BigInt(child.inode), true);
      view.setUint32(16, name.length, true);
      entry[20] = child.kind === "file" ? FILE_TYPE.regular : FILE_TYPE.directory;
      entry.set(name, 24);
      // An entry that is cut short tells the reader to come again with more room.
      const part = entry.subarray(0, length - filled);
      into.set(part, filled);
      filled += part.length;
    }
    this.#memory.set32(used, filled);
    return ERRNO.success;
  }

  #fileCalls(): Record<string, WasiCall> {
    return {
      fd_read: (fd: number, list: number, count: number, used: number) =>
        this.#transfer(fd, list, count, used, undefined, "read"),
      fd_pread: (fd: number, list: number, count: number, offset: bigint, used: number) =>
        this.#transfer(fd, list, count, used, Number(offset), "read"),
      fd_write: (fd: number, list: number, count: number, used: number) =>
        this.#transfer(fd, list, count, used, undefined, "write"),
      fd_pwrite: (fd: number, list: number, count: number, offset: bigint, used: number) =>
        this.#transfer(fd, list, count, used, Number(offset), "write"),
      fd_seek: (fd: number, offset: bigint, whence: number, at: number) =>
        this.#seek(fd, Number(offset), whence, at),
      fd_tell: (fd: number, at: number) => this.#seek(fd, 0, 1, at),
      fd_allocate: (fd: number, offset: bigint, length: bigint) =>
        this.#resize(fd, (file) => Math.max(file.length, Number(offset) + Number(length))),
      fd_filestat_set_size: (fd: number, size: bigint) => this.#resize(fd, () => Number(size)),
    };
  }

  #transfer(
    fd: number,
    list: number,
    count: number,
    used: number,
    offset: number | undefined,
    direction: "read" | "write",
  ): Errno {
    const descriptor = this.#open.get(fd);
    if (descriptor === undefined) return ERRNO.badf;
    const file = descriptor.node;
    if (file.kind === "directory") return ERRNO.isdir;
    if (direction === "write" && !file.writable) return ERRNO.rofs;
    if (count > MAX_LIST || (offset ?? 0) < 0) return ERRNO.inval;
    let at = offset ?? startOf(descriptor, file, direction);
    let moved = 0;
    for (let i = 0; i < count; i++) {
      const view = this.#memory.view();
      const part = this.#memory.bytes(
        view.getUint32(list + 8 * i, true),
        view.getUint32(list + 8 * i + 4, true),
      );
      const done = direction === "read" ? file.read(part, at) : this.#write(file, part, at);
      at += done;
      moved += done;
      if (done < part.length) break;
    }
    if (offset === undefined) descriptor.position = at;
    this.#memory.set32(used, moved);
    return ERRNO.success;
  }

  #write(file: MemoryFile, bytes: Uint8Array, at: number): number {
    if (file !== this.#stderr) file.write(bytes, at);
    // What is too much for standard error is dropped, and the module none the wiser.
    else if (at < MAX_STDERR) file.write(bytes.subarray(0, MAX_STDERR - at), at);
    return bytes.length;
  }

  #seek(fd: number, offset: number, whence: number, at: number): Errno {
    const descriptor = this.#open.get(fd);
    if (descriptor === undefined) return ERRNO.badf;
    const { node } = descriptor;
    if (descriptor.type === FILE_TYPE.character) return ERRNO.spipe;
    if (node.kind === "directory") return ERRNO.isdir;
    const from = [0, descriptor.position, node.length][whence];
    if (from === undefined || from + offset < 0) return ERRNO.inval;
    descriptor.position = from + offset;
    this.#memory.set64(at, BigInt(descriptor.position));
    return ERRNO.success;
  }

  #resize(fd: number, lengthOf: (file: MemoryFile) => number): Errno {
    const node = this.#open.get(fd)?.node;
    if (node === undefined) return ERRNO.badf;
    if (node.kind === "directory") return ERRNO.isdir;
    if (!node.writable) return ERRNO.rofs;
    const length = lengthOf(node);
    if (length < 0) return ERRNO.inval;
    node.resize(length);
    return ERRNO.success;
  }

  #pathCalls(): Record<string, WasiCall> {
    return {
      path_open: (
        fd: number,
        _follow: number,
        path: number,
        length: number,
        how: number,
        _rights: bigint,
        _inherited: bigint,
        flags: number,
        at: number,
      ) => this.#at(fd, path, length, (place) => this.#openAt(place, how, flags, at)),
      path_filestat_get: (fd: number, _flags: number, path: number, length: number, at: number) =>
        this.#at(fd, path, length, ({ node }) => {
          if (node === undefined) return ERRNO.noent;
          return this.#writeStat(at, node, node.kind === "file" ? FILE_TYPE.regular : FILE_TYPE.directory);
        }),
      path_filestat_set_times: (fd: number, _flags: number, path: number, length: number) =>
        this.#at(fd, path, length, ({ node }) => (node === undefined ? ERRNO.noent : ERRNO.success)),
      path_create_directory: (fd: number, path: number, length: number) =>
        this.#at(fd, path, length, (place) => (place.node ? ERRNO.exist : this.#create(place, "directory"))),
      path_unlink_file: (fd: number, path: number, length: number) =>
        this.#at(fd, path, length, (place) => remove(place, "file")),
      path_remove_directory: (fd: number, path: number, length: number) =>
        this.#at(fd, path, length, (place) => remove(place, "directory")),
      path_rename: (fd: number, path: number, length: number, fd2: number, path2: number, length2: number) =>
        this.#at(fd, path, length, (from) => this.#at(fd2, path2, length2, (to) => rename(from, to))),
      path_link: () => ERRNO.notsup,
      path_readlink: () => ERRNO.inval,
      path_symlink: () => ERRNO.notsup,
    };
  }

  /** Follows the path in the module's memory from an open directory. */
  #at(fd: number, path: number, length: number, action: (place: Place) => Errno): Errno {
    const from = this.#open.get(fd)?.node;
    if (from === undefined) return ERRNO.badf;
    if (from.kind !== "directory") return ERRNO.notdir;
    if (length > MAX_PATH) return ERRNO.nametoolong;
    const text = decodePath(this.#memory.bytes(path, length));
    if (text === undefined) return ERRNO.ilseq;
    const place = resolvePath(from, text);
    return typeof place === "number" ? place : action(place);
  }

  #openAt(place: Place, how: number, flags: number, at: number): Errno {
    let node = place.node;
    if (node !== undefined && (how & OPEN.create) !== 0 && (how & OPEN.exclusive) !== 0) return ERRNO.exist;
    if (node === undefined) {
      if ((how & OPEN.create) === 0) return ERRNO.noent;
      const error = this.#create(place, "file");
      if (error !== ERRNO.success) return error;
      node = place.parent.entries.get(place.name)!;
    }
    if ((how & OPEN.directory) !== 0 && node.kind !== "directory") return ERRNO.notdir;
    if ((how & OPEN.truncate) !== 0) {
      if (node.kind === "directory") return ERRNO.isdir;
      if (!node.writable) return ERRNO.rofs;
      node.resize(0);
    }
    const fd = this.#freeDescriptor();
    if (fd === undefined) return ERRNO.mfile;
    const type = node.kind === "file" ? FILE_TYPE.regular : FILE_TYPE.directory;
    this.#open.set(fd, { node, type, position: 0, flags: flags & APPEND });
    this.#memory.set32(at, fd);
    return ERRNO.success;
  }

  #freeDescriptor(): number | undefined {
    for (let fd = 4; fd < MAX_DESCRIPTORS; fd++) if (!this.#open.has(fd)) return fd;
    return undefined;
  }

  #create({ parent, name }: Place, kind: MemoryNode["kind"]): Errno {
    if (!parent.writable) return ERRNO.rofs;
    const node = this.#tree.newNode(kind);
    if (node === undefined) return ERRNO.nospc;
    parent.entries.set(name, node);
    return ERRNO.success;
  }
}

function startOf(descriptor: Descriptor, file: MemoryFile, direction: "read" | "write"): number {
  const appends = (descriptor.flags & APPEND) !== 0 && direction === "write";
  return appends ? file.length : descriptor.position;
}

function decodePath(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function remove({ parent, name, node }: Place, kind: MemoryNode["kind"]): Errno {
  if (node === undefined) return ERRNO.noent;
  if (node.kind !== kind) return kind === "file" ? ERRNO.isdir : ERRNO.notdir;
  if (!parent.writable || name === ".") return ERRNO.rofs;
  if (node instanceof MemoryDirectory && node.entries.size > 0) return ERRNO.notempty;
  parent.entries.delete(name);
  return ERRNO.success;
}

/** A file alone can be renamed: a directory could be put below itself. */
function rename(from: Place, to: Place): Errno {
  if (from.node === undefined) return ERRNO.noent;
  if (!from.parent.writable || !to.parent.writable) return ERRNO.rofs;
  if (from.node.kind === "directory") return ERRNO.notsup;
  if (to.node?.kind === "directory") return ERRNO.isdir;
  from.parent.entries.delete(from.name);
  to.parent.entries.set(to.name, from.node);
  return ERRNO.success;
}
