/**
 * What comes from a pipe has no length before its end, and cannot be read twice. So it is cut into parts as it comes, in
 * memory that does not grow with it; all of it becomes a file, or nothing: an upload that fails or is interrupted is
 * given up.
 */
import { constants } from "node:os";
import { Readable } from "node:stream";
import { askDoor, type OnBytes, sendBytes } from "./file-transfer.ts";
import { beginUpload, completeUpload, MAX_PARTS, PART_BYTES, type Sign } from "./part-upload.ts";

/** Parts of one length, before they double: short ones while the whole may be short, yet enough room for a long one. */
const PARTS_OF_A_LENGTH = 2000;
/** Parts on their way at once, each in memory of its own: one is read while the other is sent. */
const AT_ONCE = 2;
/** Bytes that are handed to the connection at once. */
const PIECE = 64 * 1024;
/** How long giving up may take when somebody waits for the end, ms. */
const LAST_PATIENCE = 10_000;
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Bytes of a part whose number is given, from 1: 16 MiB, and 256 MiB at the end of all 969 GiB. */
export function lengthOfPart(number: number): number {
  return PART_BYTES * 2 ** Math.floor((number - 1) / PARTS_OF_A_LENGTH);
}

/** A signal that ends this program, once nothing is left behind. */
class Interrupted extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.signal = signal;
  }
}

/**
 * Stores all that comes, to its end.
 * @returns how many bytes it was.
 * @throws Error with the reason of the input or of the door; nothing is stored then
 */
export async function uploadStream(
  input: Readable,
  type: string,
  sign: Sign,
  onBytes: OnBytes,
): Promise<number> {
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => stop.abort(new Interrupted(signal));
  // What waits for more input waits no longer.
  stop.signal.addEventListener("abort", () => input.destroy(), { once: true });
  for (const name of SIGNALS) process.once(name, interrupt);
  try {
    return await storeAll(new PartSource(input, stop.signal), type, sign, onBytes, stop);
  } catch (error) {
    stop.abort(error);
    const { reason } = stop.signal;
    if (reason instanceof Interrupted) process.exit(128 + constants.signals[reason.signal]);
    throw reason;
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
  }
}

async function storeAll(
  source: PartSource,
  type: string,
  sign: Sign,
  onBytes: OnBytes,
  stop: AbortController,
): Promise<number> {
  const memory = new PartMemory();
  const first = await source.next(memory);
  if (first === undefined || (await source.isEnd())) {
    const url = await sign("PUT", {});
    await send(url, first?.bytes ?? new Uint8Array(), { "content-type": type }, onBytes, stop.signal);
    return source.bytes;
  }
  const id = await beginUpload(type, sign);
  try {
    await sendParts({ first, memory, source }, id, sign, onBytes, stop);
  } catch (error) {
    // What failed first is what counts; where even this fails the upload stays unfinished, and no file comes of it.
    await giveUp(id, sign).catch(() => undefined);
    throw error;
  }
  return source.bytes;
}

async function sendParts(
  {
    first,
    memory,
    source,
  }: { readonly first: Part; readonly memory: PartMemory; readonly source: PartSource },
  id: string,
  sign: Sign,
  onBytes: OnBytes,
  stop: AbortController,
): Promise<void> {
  const stored = new Map<number, string>();
  const worker = async (part: Part | undefined, room: PartMemory): Promise<void> => {
    for (let next = part ?? (await source.next(room)); next !== undefined; next = await source.next(room)) {
      const url = await sign("PUT", { partNumber: String(next.number), uploadId: id });
      stored.set(next.number, await send(url, next.bytes, {}, onBytes, stop.signal));
    }
  };
  const failed = (error: unknown) => stop.abort(error);
  const others = Array.from({ length: AT_ONCE - 1 }, () => worker(undefined, new PartMemory()).catch(failed));
  await Promise.all([worker(first, memory).catch(failed), ...others]);
  stop.signal.throwIfAborted();
  await completeUpload(id, stored, sign);
}

async function send(
  url: string,
  bytes: Uint8Array,
  headers: Readonly<Record<string, string>>,
  onBytes: OnBytes,
  signal: AbortSignal,
): Promise<string> {
  const source = { bytes: Readable.from(pieces(bytes)), length: bytes.length };
  return await sendBytes(url, source, headers, onBytes, signal);
}

function* pieces(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}

/** Takes back what was sent. */
async function giveUp(id: string, sign: Sign): Promise<void> {
  const patience = AbortSignal.timeout(LAST_PATIENCE);
  await askDoor(await sign("DELETE", { uploadId: id }), "DELETE", {}, "", patience);
}

interface Part {
  readonly number: number;
  readonly bytes: Uint8Array;
}

/** Room for one part at a time. */
class PartMemory {
  #bytes = new Uint8Array();

  of(length: number): Uint8Array {
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(length);
    return this.#bytes.subarray(0, length);
  }
}

/** Cuts what comes into parts. They are copied: a thousand small writes weigh no more than one large one. */
class PartSource {
  /** Read so far. */
  bytes = 0;
  readonly #input: AsyncIterator<Uint8Array>;
  readonly #stop: AbortSignal;
  #left: Uint8Array = new Uint8Array();
  #number = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(input: Readable, stop: AbortSignal) {
    this.#input = input[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
    this.#stop = stop;
  }

  /** The next part, which lies in `memory`; undefined at the end. Whoever asks first is served first. */
  next(memory: PartMemory): Promise<Part | undefined> {
    const part = this.#turn.then(() => this.#fill(memory));
    this.#turn = part.catch(() => undefined);
    return part;
  }

  /** Whether nothing is left; waits until that is known. @throws Error where the input fails, or was stopped */
  async isEnd(): Promise<boolean> {
    while (this.#left.length === 0) {
      const { done, value } = await this.#input.next();
      // An input that was taken away has not come to its end.
      this.#stop.throwIfAborted();
      if (done === true) return true;
      this.#left = value;
    }
    return false;
  }

  async #fill(memory: PartMemory): Promise<Part | undefined> {
    this.#stop.throwIfAborted();
    if (await this.isEnd()) return undefined;
    if (this.#number === MAX_PARTS)
      throw new Error("more came than the 968 GiB that can be stored from a pipe");
    const number = ++this.#number;
    const room = memory.of(lengthOfPart(number));
    let length = 0;
    while (length < room.length && !(await this.isEnd())) {
      const taken = this.#left.subarray(0, room.length - length);
      room.set(taken, length);
      length += taken.length;
      this.#left = this.#left.subarray(taken.length);
    }
    this.bytes += length;
    return { number, bytes: room.subarray(0, length) };
  }
}
