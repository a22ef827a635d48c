import { toHex } from "#base/lib/bytes.ts";
import { fromAsm } from "#protocol/bitcoin/asm.ts";
import { pushData } from "#protocol/bitcoin/script.ts";

/** A script as the older vectors write it: numbers longer than Core's reader takes them today, and NOP2. */
export function fromOldAsm(text: string): Uint8Array {
  return fromAsm(
    text
      .replace(/(?<=^|\s)-?[0-9]{10,}(?=\s|$)/g, (word) => `0x${toHex(pushLong(BigInt(word)))}`)
      .replace(/(?<=^|\s)NOP2(?=\s|$)/g, "CHECKLOCKTIMEVERIFY"),
  );
}

function pushLong(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value < 0n ? -value : value; rest > 0n; rest >>= 8n) bytes.push(Number(rest & 0xffn));
  if (bytes.at(-1)! >= 0x80) bytes.push(0);
  if (value < 0n) bytes[bytes.length - 1]! |= 0x80;
  return pushData(Uint8Array.from(bytes));
}
