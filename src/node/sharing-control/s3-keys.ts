import { z } from "zod";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import type { S3Credentials } from "#doors/s3/credentials.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const stored: z.ZodType<S3Credentials> = z.strictObject({
  accessKey: z.string().regex(/^[A-Z2-7]{20}$/),
  secretKey: z.string().regex(/^[A-Z2-7]{40}$/),
});

/**
 * The credentials of S3 tools: made once, kept in the sharing folder, which nobody but the owner may read.
 * @throws when the file is damaged: tools are configured with what stood there
 */
export async function openS3Keys(files: FileSystem, path: string, random: Random): Promise<S3Credentials> {
  const bytes = await readIfThere(files, path, 4096);
  if (bytes !== undefined) {
    const read = stored.safeParse(jsonOf(bytes));
    if (read.success) return read.data;
    throw new Error(`${path} is damaged; without it new S3 keys are made`);
  }
  const draw = (length: number) =>
    Array.from({ length }, () => ALPHABET[random.below(ALPHABET.length)]).join("");
  const keys = { accessKey: draw(20), secretKey: draw(40) };
  await writeAtomically(files, path, new TextEncoder().encode(`${JSON.stringify(keys)}\n`));
  return keys;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
