/**
 * What comes from a pipe has no length before its end, and cannot be read twice. So it is cut into parts as it comes, in
 * memory that does not grow with it; all of it becomes a file, or nothing: an upload that fails or is interrupted is
 * given up.
 */
import { constants } from "node:os";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiRefusal } from "../api-client.ts";
import { askDoor, DoorRefusal, type OnBytes, sendBytes } from "./file-transfer.ts";
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

/** Between two tries of what failed as hosts, or the door, were away for a moment, ms: half a minute in all. */
const PAUSES: readonly number[] = [500, 1000, 2000, 4000, 8000, 16_000];

export interface StreamUpload {
  readonly input: Readable;
  readonly type: string;
  readonly sign: Sign;
  readonly onBytes: OnBytes;
  readonly pauses?: readonly number[];
}

/**
 * Stores all that comes, to its end. As it cannot be asked for again, what fails for a moment is tried again.
 * @returns how many bytes it was.
 * @throws Error with the reason of the input or of the door; nothing is stored then
 */
export async function uploadStream(upload: StreamUpload): Promise<number> {
  const stop = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => stop.abort(new Interrupted(signal));
  // What waits for more input waits no longer.
  stop.signal.addEventListener("abort", () => upload.input.destroy(), { once: true });
  for (const name of SIGNALS) process.once(name, interrupt);
  try {
    const source = new PartSource(upload.input, stop.signal);
    await storeAll(source, new Passage(upload, stop.signal), stop);
    return source.bytes;
  } catch (error) {
    stop.abort(error);
    const { reason } = stop.signal;
    if (reason instanceof Interrupted) process.exit(128 + constants.signals[reason.signal]);
    throw reason;
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt);
  }
}

async function storeAll(source: PartSource, passage: Passage, stop: AbortController): Promise<void> {
  const memory = new PartMemory();
  const first = await source.next(memory);
  if (first === undefined || (await source.isEnd())) {
    await passage.send({}, first?.bytes ?? new Uint8Array());
    return;
  }
  const id = await passage.begin();
  try {
    const stored = new Map<number, string>();
    const worker = async (part: Part | undefined, room: PartMemory): Promise<void> => {
      for (let next = part ?? (await source.next(room)); next !== undefined; next = await source.next(room)) {
        const query = { partNumber: String(next.number), uploadId: id };
        stored.set(next.number, await passage.send(query, next.bytes));
      }
    };
    const failed = (error: unknown) => stop.abort(error);
    const others = Array.from({ length: AT_ONCE - 1 }, () =>
      worker(undefined, new PartMemory()).catch(failed),
    );
    await Promise.all([worker(first, memory).catch(failed), ...others]);
    stop.signal.throwIfAborted();
    await passage.complete(id, stored);
  } catch (error) {
    // What failed first is what counts; where even this fails the upload stays unfinished, and no file comes of it.
    await passage.giveUp(id).catch(() => undefined);
    throw error;
  }
}

/** The way to the door. */
class Passage {
  readonly #upload: StreamUpload;
  readonly #stop: AbortSignal;

  constructor(upload: StreamUpload, stop: AbortSignal) {
    this.#upload = upload;
    this.#stop = stop;
  }

  async begin(): Promise<string> {
    const { type, sign } = this.#upload;
    return await this.#patiently(() => beginUpload(type, sign));
  }

  /** Sends a part, or with no query all of the file. @returns the MD5, hex */
  async send(query: Readonly<Record<string, string>>, bytes: Uint8Array): Promise<string> {
    const { type, sign, onBytes } = this.#upload;
    const headers = query["uploadId"] === undefined ? { "content-type": type } : {};
    return await this.#patiently(async () => {
      let sent = 0;
      const count = (more: number) => {
        sent += more;
        onBytes(more);
      };
      try {
        const source = { bytes: Readable.from(pieces(bytes)), length: bytes.length };
        return await sendBytes(await sign("PUT", query), source, headers, count, this.#stop);
      } catch (error) {
        onBytes(-sent);
        throw error;
      }
    });
  }

  async complete(id: string, stored: ReadonlyMap<number, string>): Promise<void> {
    await this.#patiently(() => completeUpload(id, stored, this.#upload.sign));
  }

  /** Takes back what was sent. */
  async giveUp(id: string): Promise<void> {
    const url = await this.#upload.sign("DELETE", { uploadId: id });
    await askDoor(url, "DELETE", {}, "", AbortSignal.timeout(LAST_PATIENCE));
  }

  async #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    for (const pause of this.#upload.pauses ?? PAUSES) {
      try {
        return await attempt();
      } catch (error) {
        if (!isPassing(error as Error)) throw error;
      }
      await sleep(pause, undefined, { signal: this.#stop });
    }
    return await attempt();
  }
}

/** Whether it may go another way soon: too few hosts, or no door, were there. */
function isPassing(error: Error): boolean {
  if (error instanceof DoorRefusal || error instanceof ApiRefusal) return error.status >= 500;
  return /^(ECONNREFUSED|ECONNRESET|EPIPE)$/.test((error as NodeJS.ErrnoException).code ?? "");
}

function* pieces(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
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
