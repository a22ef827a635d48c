/** Decodes the images of a scene, PNG and JPEG, to pixels. What they would take is known before they are decoded. */
import * as jpeg from "jpeg-js";
import { PNG } from "pngjs";
import { concatBytes } from "#base/lib/bytes.ts";
import { DecodeError } from "#base/lib/decode-error.ts";
import type { Image } from "./scene-model.ts";

/** Scans of a JPEG: each goes over the whole picture again, and progressive files in use have about ten. */
const MAX_SCANS = 32;

export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/**
 * The size that a PNG or JPEG says it has, from its headers alone.
 * @throws DecodeError when it is neither, or one that is not taken.
 */
export function imageSize(bytes: Uint8Array): ImageSize {
  return isPng(bytes) ? pngSize(bytes) : jpegSize(bytes);
}

/**
 * Decodes a PNG or JPEG whose size was found acceptable.
 * @throws DecodeError when it is broken.
 */
export async function decodeImage(bytes: Uint8Array): Promise<Image> {
  const size = imageSize(bytes);
  try {
    const decoded = isPng(bytes) ? await decodePng(bytes, size) : decodeJpeg(bytes, size);
    if (decoded.width !== size.width || decoded.height !== size.height) {
      throw new DecodeError("image has another size than it says");
    }
    return {
      ...size,
      pixels: new Uint8Array(decoded.data.buffer, decoded.data.byteOffset, 4 * size.width * size.height),
    };
  } catch (error) {
    if (error instanceof DecodeError) throw error;
    throw new DecodeError(`image can not be decoded: ${error instanceof Error ? error.message : error}`);
  }
}

interface Decoded extends ImageSize {
  readonly data: Uint8Array;
}

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

function isPng(bytes: Uint8Array): boolean {
  return PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
}

function pngSize(bytes: Uint8Array): ImageSize {
  // The signature, then the IHDR chunk: length, type, width, height, depth, colour, compression, filter, interlace.
  if (bytes.length < 33) throw new DecodeError("PNG is cut short");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(8) !== 13 || view.getUint32(12) !== 0x4948_4452)
    throw new DecodeError("PNG has no header");
  // The decoder does not bound what it inflates of interlaced ones.
  if (bytes[28] !== 0) throw new DecodeError("interlaced PNG images are not taken");
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

async function decodePng(bytes: Uint8Array, size: ImageSize): Promise<Decoded> {
  // Where data is missing, the decoder would fill up with whatever lay in memory; too much it would cut off.
  const expected = pngDataLength(bytes, size);
  if ((await inflatedLength(pngData(bytes), expected)) !== expected)
    throw new DecodeError("PNG has too much or too little data");
  return PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
}

/** Channels of PNG's colour types. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Bytes of a PNG's pixels as they are compressed: rows with their filter in front. */
function pngDataLength(bytes: Uint8Array, { width, height }: ImageSize): number {
  const channels = CHANNELS[bytes[25]!];
  if (channels === undefined) throw new DecodeError("PNG has no such colour type");
  return (Math.ceil((width * channels * bytes[24]!) / 8) + 1) * height;
}

/** The compressed data of a PNG, its chunks joined. */
function pngData(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const parts: Uint8Array[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (length > bytes.length - at - 12) throw new DecodeError("PNG is cut short");
    if (view.getUint32(at + 4) === 0x4944_4154) parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 12 + length;
  }
  return concatBytes(...parts);
}

/** Bytes that `data` inflates to; anything above `limit` where there are more. */
async function inflatedLength(data: Uint8Array, limit: number): Promise<number> {
  const stream = new Blob([new Uint8Array(data)]).stream().pipeThrough(new DecompressionStream("deflate"));
  let length = 0;
  for await (const chunk of stream) {
    length += (chunk as Uint8Array).length;
    if (length > limit) break;
  }
  return length;
}

function decodeJpeg(bytes: Uint8Array, size: ImageSize): Decoded {
  const megapixels = (size.width * size.height) / 1e6;
  return jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: true,
    tolerantDecoding: false,
    maxResolutionInMP: megapixels + 1,
    maxMemoryUsageInMB: 64 + 40 * megapixels,
  });
}

/** Walks a JPEG's markers to its frame header; counts its scans. */
function jpegSize(bytes: Uint8Array): ImageSize {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new DecodeError("image is neither PNG nor JPEG");
  let size: ImageSize | undefined;
  let scans = 0;
  for (let at = 2; at + 3 < bytes.length; ) {
    const marker = bytes[at] === 0xff ? bytes[at + 1]! : 0;
    // Coded data between the markers, stuffed bytes and restarts.
    if (marker === 0 || marker === 0xff || (marker >= 0xd0 && marker <= 0xd7)) {
      at++;
      continue;
    }
    if (marker === 0xd9) break;
    if (isFrame(marker)) {
      if (size !== undefined || at + 9 > bytes.length) throw new DecodeError("JPEG has a bad frame");
      size = { width: word(bytes, at + 7), height: word(bytes, at + 5) };
    }
    if (marker === 0xda && ++scans > MAX_SCANS) throw new DecodeError("JPEG has too many scans");
    at += 2 + word(bytes, at + 2);
  }
  if (size === undefined) throw new DecodeError("JPEG has no frame");
  return size;
}

function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
