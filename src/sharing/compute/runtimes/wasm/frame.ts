/**
 * What goes between the sharing process and a child that runs a module: `u32 LE` length of the header, the header
 * (canonical CBOR, with the lengths of the blobs), then the blobs as they are. Both sides bound what they take.
 */
import { concatBytes, readU32, writeU32 } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import { decodeCbor, encodeCbor } from "#sharing/mesh/cbor.ts";

export interface Frame {
  readonly header: unknown;
  readonly blobs: readonly Uint8Array[];
}

const MAX_HEADER = 128 * 1024;

/** The pieces of a frame, to be written one after another. */
export function encodeFrame(frame: Frame): Uint8Array[] {
  const header = encodeCbor({ blobs: frame.blobs.map((blob) => blob.length), header: frame.header });
  const head = new Uint8Array(4);
  writeU32(head, 0, header.length);
  return [concatBytes(head, header), ...frame.blobs.filter((blob) => blob.length > 0)];
}

/** Puts frames together from what comes through a pipe. */
export class FrameReader {
  readonly #maxBlobs: () => number;
  /** What is being filled: the head of 4 bytes, the header, or a blob. */
  #target: Uint8Array = new Uint8Array(4);
  #filled = 0;
  #header: unknown;
  #lengths: number[] | undefined;
  #blobs: Uint8Array[] = [];
  #stage: "head" | "header" | "blob" = "head";

  /** @param maxBlobs most bytes of the blobs of one frame, asked when its header is there. */
  constructor(maxBlobs: () => number) {
    this.#maxBlobs = maxBlobs;
  }

  /** Takes bytes; the frames that they complete. @throws DecodeError when the other side breaks the format. */
  push(bytes: Uint8Array): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    while (at < bytes.length || this.#filled === this.#target.length) {
      const part = bytes.subarray(at, at + this.#target.length - this.#filled);
      this.#target.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < this.#target.length) break;
      const frame = this.#next();
      if (frame !== undefined) frames.push(frame);
    }
    return frames;
  }

  /** The target is full: on to the next one, or the frame is whole. */
  #next(): Frame | undefined {
    if (this.#stage === "head") {
      const length = readU32(this.#target, 0);
      if (length === 0 || length > MAX_HEADER) throw new DecodeError("a frame's header of no fit length");
      this.#aim("header", length);
      return undefined;
    }
    if (this.#stage === "header") this.#readHeader();
    else this.#blobs.push(this.#target);
    const length = this.#lengths!.shift();
    if (length !== undefined) {
      this.#aim("blob", length);
      return undefined;
    }
    const frame = { header: this.#header, blobs: this.#blobs };
    this.#blobs = [];
    this.#aim("head", 4);
    return frame;
  }

  #aim(stage: "head" | "header" | "blob", length: number): void {
    this.#stage = stage;
    this.#target = new Uint8Array(length);
    this.#filled = 0;
  }

  #readHeader(): void {
    const outer = decodeCbor(this.#target) as { header?: unknown; blobs?: unknown } | null;
    const lengths = outer?.blobs;
    if (!Array.isArray(lengths) || lengths.length > 256) throw new DecodeError("a frame without its blobs");
    if (!lengths.every((length) => Number.isSafeInteger(length) && length >= 0)) {
      throw new DecodeError("a blob of no fit length");
    }
    const total = (lengths as number[]).reduce((sum, length) => sum + length, 0);
    if (total > this.#maxBlobs()) throw new DecodeError("more bytes than the limit");
    this.#header = outer?.header;
    this.#lengths = lengths as number[];
  }
}
