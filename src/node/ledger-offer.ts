/** The offer `ledger` in a friend's hello: where its Bitcoin node is reached, so that ours connects to it. */
import { isIP } from "node:net";
import { decode, encode } from "cborg";
import { z } from "zod";

export interface LedgerOffer {
  /** Of its network, 4 bytes. */
  readonly magic: Uint8Array;
  /** An IP address; `0.0.0.0` or `::` stands for the one that the friend is seen at. */
  readonly host: string;
  readonly port: number;
}

const form: z.ZodType<LedgerOffer> = z.strictObject({
  magic: z.instanceof(Uint8Array).refine((magic) => magic.length === 4),
  host: z.string().refine((host) => isIP(host) !== 0),
  port: z.number().int().min(1).max(65_535),
});

export function encodeLedgerOffer({ magic, host, port }: LedgerOffer): Uint8Array {
  return encode({ magic, host, port });
}

/** Undefined when it is none: it comes from a stranger's hand. */
export function decodeLedgerOffer(bytes: Uint8Array): LedgerOffer | undefined {
  try {
    return form.safeParse(decode(bytes)).data;
  } catch {
    return undefined;
  }
}
