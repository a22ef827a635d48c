import { type Body, FileError } from "../file-store.ts";

/** Longest object, bytes: as S3's. */
const LARGEST_OBJECT = 5 * 2 ** 40;

/** A body that is refused when it is longer than an object may be. @throws FileError `EntityTooLarge` */
export async function* limited(body: Body, limit = LARGEST_OBJECT): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw new FileError("EntityTooLarge", `an object has at most ${limit} bytes`);
    yield chunk;
  }
}
