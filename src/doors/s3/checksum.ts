/** The checksums S3 knows (`x-amz-checksum-…`), computed while bytes pass. Values are base64, big-endian. */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { crc32c } from "./crc32c.ts";
import { Crc64Nvme } from "./crc64nvme.ts";

export const CHECKSUMS = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const;
export type ChecksumName = (typeof CHECKSUMS)[number];

export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  /** Base64. */
  digest(): string;
}

export function startChecksum(name: ChecksumName): RunningChecksum {
  switch (name) {
    case "crc32":
      return running32(crc32);
    case "crc32c":
      return running32(crc32c);
    case "crc64nvme": {
      const crc = new Crc64Nvme();
      return {
        update: (bytes) => crc.update(bytes),
        digest: () => Buffer.from(crc.digest()).toString("base64"),
      };
    }
    default: {
      const hash = createHash(name);
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("base64") };
    }
  }
}

function running32(next: (bytes: Uint8Array, value: number) => number): RunningChecksum {
  let value = 0;
  return {
    update(bytes) {
      value = next(bytes, value);
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value >>> 0);
      return bytes.toString("base64");
    },
  };
}

/** `x-amz-checksum-crc32` → `crc32`; `undefined` for any other header. */
export function checksumOfHeader(header: string): ChecksumName | undefined {
  return CHECKSUMS.find((name) => header === `x-amz-checksum-${name}`);
}
