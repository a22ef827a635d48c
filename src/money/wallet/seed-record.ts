/**
 * The seed record: the words' entropy under a passphrase or under none, and beside it in the clear what a locked wallet
 * needs to follow the chain. Written twice, so that one damaged copy costs nothing.
 *
 * A copy is `FHSEED1\n`, a u32 length, that much CBOR, and the SHA-256 of all before. The entropy is sealed with
 * ChaCha20-Poly1305, the public part as associated data: nobody can put another account under a seed.
 */
import { createCipheriv, createDecipheriv, hkdfSync, scrypt } from "node:crypto";
import { join } from "node:path";
import { decode, encode } from "cborg";
import { z } from "zod";
import { sha256 } from "#base/crypto/sha256.ts";
import { concatBytes, equalBytes, readU32, writeU32 } from "#base/lib/bytes.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, removeIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import { ADDRESS_TYPES } from "./wallet-views.ts";

const MAGIC = new TextEncoder().encode("FHSEED1\n");
/** A record is a few hundred bytes. */
const MAX_RECORD = 8192;
const TAG_LENGTH = 16;

/** Bytes under a fixed or bounded length. */
const bytes = (least: number, most: number = least) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length >= least && value.length <= most,
  );

const kdfSchema = z.strictObject({
  name: z.literal("scrypt"),
  /** Cost; memory is 128·n·r bytes, and a false file must not be able to ask for all of it. */
  n: z
    .int()
    .min(2)
    .max(2 ** 20),
  r: z.int().min(1).max(16),
  p: z.int().min(1).max(4),
  salt: bytes(16),
});

const publicSchema = z.strictObject({
  /** Counts the writings: the higher of two good copies is the newer. */
  revision: z.int().min(1),
  /** The network's magic bytes. */
  network: bytes(4),
  /** Seconds since 1970 when the seed was made; null for one that was restored. */
  created: z.int().min(0).nullable(),
  /** Height below which the chain holds nothing of this wallet. */
  birthday: z.int().min(0),
  fingerprint: bytes(4),
  accounts: z
    .array(z.strictObject({ type: z.enum(ADDRESS_TYPES), xpub: z.string().max(120) }))
    .min(1)
    .max(8),
  /** Key of the wallet's log. In the clear: a locked wallet goes on following the chain. */
  logKey: bytes(32),
  kdf: kdfSchema.nullable(),
});

const recordSchema = z.strictObject({
  public: bytes(1, MAX_RECORD),
  nonce: bytes(12),
  sealed: bytes(16 + TAG_LENGTH, 32 + TAG_LENGTH),
});

export type SeedPublic = z.infer<typeof publicSchema>;

/** A sound seed record. */
export interface SeedRecord {
  readonly public: SeedPublic;
  readonly sealed: z.infer<typeof recordSchema>;
}

/** Cost of a passphrase; 2^16 takes about 64 MiB and a fifth of a second. */
export interface PassphraseCost {
  readonly n: number;
  readonly r: number;
  readonly p: number;
}

export const PASSPHRASE_COST: PassphraseCost = { n: 2 ** 16, r: 8, p: 1 };

/** Seals entropy into a new record. @param passphrase undefined leaves it to the protection of the file */
export async function sealSeed(
  entropy: Uint8Array,
  fields: Omit<SeedPublic, "kdf">,
  passphrase: string | undefined,
  { random, cost }: { random: Random; cost: PassphraseCost },
): Promise<SeedRecord> {
  const kdf: SeedPublic["kdf"] =
    passphrase === undefined
      ? null
      : { name: "scrypt", n: cost.n, r: cost.r, p: cost.p, salt: random.fill(new Uint8Array(16)) };
  const open: SeedPublic = { ...fields, kdf };
  const publicBytes = encode(open);
  const nonce = random.fill(new Uint8Array(12));
  const key = await sealingKey(open, passphrase);
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_LENGTH });
  cipher.setAAD(publicBytes, { plaintextLength: entropy.length });
  const sealed = concatBytes(cipher.update(entropy), cipher.final(), cipher.getAuthTag());
  key.fill(0);
  return { public: open, sealed: { public: publicBytes, nonce, sealed } };
}

/** The entropy, `undefined` when the passphrase is wrong (or the record was tampered with). */
export async function unsealSeed(
  record: SeedRecord,
  passphrase: string | undefined,
): Promise<Uint8Array | undefined> {
  if (record.public.kdf !== null && passphrase === undefined) return undefined;
  const key = await sealingKey(record.public, passphrase);
  const { nonce, sealed, public: publicBytes } = record.sealed;
  const end = sealed.length - TAG_LENGTH;
  const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_LENGTH });
  decipher.setAAD(publicBytes, { plaintextLength: end });
  decipher.setAuthTag(sealed.subarray(end));
  key.fill(0);
  try {
    return concatBytes(decipher.update(sealed.subarray(0, end)), decipher.final());
  } catch {
    return undefined;
  }
}

function sealingKey({ kdf, logKey }: SeedPublic, passphrase: string | undefined): Promise<Uint8Array> {
  if (kdf === null) {
    return Promise.resolve(
      new Uint8Array(hkdfSync("sha256", logKey, new Uint8Array(0), "freehold/seed/1", 32)),
    );
  }
  const { n, r, p, salt } = kdf;
  const text = (passphrase ?? "").normalize("NFKD");
  return new Promise((resolve, reject) => {
    scrypt(text, salt, 32, { N: n, r, p, maxmem: 256 * n * r + 1_048_576 }, (error, key) => {
      if (error === null) resolve(new Uint8Array(key));
      else reject(error);
    });
  });
}

export function encodeSeedRecord({ sealed }: SeedRecord): Uint8Array {
  const body = encode(sealed);
  const length = new Uint8Array(4);
  writeU32(length, 0, body.length);
  const head = concatBytes(MAGIC, length, body);
  return concatBytes(head, sha256(head));
}

/** The record of a file's bytes, `undefined` when they are damaged or none. */
export function decodeSeedRecord(file: Uint8Array): SeedRecord | undefined {
  const start = MAGIC.length + 4;
  if (file.length < start + 32 || file.length > MAX_RECORD) return undefined;
  if (!equalBytes(file.subarray(0, MAGIC.length), MAGIC)) return undefined;
  const end = start + readU32(file, MAGIC.length);
  if (end + 32 !== file.length) return undefined;
  if (!equalBytes(sha256(file.subarray(0, end)), file.subarray(end))) return undefined;
  try {
    const sealed = recordSchema.safeParse(decode(file.subarray(start, end)));
    if (!sealed.success) return undefined;
    const open = publicSchema.safeParse(decode(sealed.data.public));
    return open.success ? { public: open.data, sealed: sealed.data } : undefined;
  } catch {
    // What is not CBOR throws.
    return undefined;
  }
}

const COPIES = ["seed.1", "seed.2"] as const;

/** Whether a folder holds a seed record, sound or not. */
export async function hasSeedRecord(files: FileSystem, folder: string): Promise<boolean> {
  for (const name of COPIES) if ((await files.stat(join(folder, name))) !== undefined) return true;
  return false;
}

/**
 * Writes both copies, one after the other, each whole or not at all. Durable when it resolves. Not even the temporary
 * name of an older, less protected copy is left.
 */
export async function writeSeedRecord(files: FileSystem, folder: string, record: SeedRecord): Promise<void> {
  const encoded = encodeSeedRecord(record);
  for (const name of COPIES) await writeAtomically(files, join(folder, name), encoded);
}

/** Reads the newer good copy and writes it over one that is damaged, missing or older. `undefined`: none is good. */
export async function readSeedRecord(
  files: FileSystem,
  folder: string,
  log: Logger,
): Promise<SeedRecord | undefined> {
  const copies = await Promise.all(COPIES.map((name) => readCopy(files, join(folder, name))));
  const sound = copies.filter((copy) => copy !== undefined);
  const best = sound.sort((a, b) => b.public.revision - a.public.revision)[0];
  if (best === undefined) return undefined;
  const encoded = encodeSeedRecord(best);
  for (const [i, copy] of copies.entries()) {
    const path = join(folder, COPIES[i]!);
    await removeIfThere(files, `${path}.new`);
    if (copy !== undefined && equalBytes(encodeSeedRecord(copy), encoded)) continue;
    log.warn(`${path} was damaged or old; written anew from the other copy`);
    await writeAtomically(files, path, encoded);
  }
  return best;
}

async function readCopy(files: FileSystem, path: string): Promise<SeedRecord | undefined> {
  const stat = await files.stat(path);
  if (stat === undefined || stat.isDirectory || stat.size > MAX_RECORD) return undefined;
  const bytes = await readIfThere(files, path, MAX_RECORD);
  return bytes === undefined ? undefined : decodeSeedRecord(bytes);
}
