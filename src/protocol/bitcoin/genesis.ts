import { sha256d } from "#base/crypto/sha256.ts";
import { ByteWriter } from "#base/lib/byte-writer.ts";
import { hex } from "#base/lib/bytes.ts";

/** What a genesis block is made of, as Core's `CreateGenesisBlock` takes it. */
export interface GenesisParts {
  /** Text in the coinbase's script: proof that the chain is no older. */
  readonly message: string;
  /** Script of the one output, which nobody can ever spend. */
  readonly script: Uint8Array;
  readonly version: number;
  /** Seconds since 1970. */
  readonly time: number;
  /** Target in compact form. */
  readonly bits: number;
  readonly nonce: number;
  /** Satoshi. */
  readonly reward: number;
}

/** The message and script of the first genesis block, which test networks repeat. */
export const SATOSHI_MESSAGE = "The Times 03/Jan/2009 Chancellor on brink of second bailout for banks";
export const SATOSHI_SCRIPT: Uint8Array = hex(
  "4104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac",
);

/** Longest script of a coinbase input (consensus: bad-cb-length), and so of the message with what precedes it. */
const MAX_COINBASE_SCRIPT = 100;
/** Pushes of 486604799 (the first difficulty) and 4, before the message (Core's CreateGenesisBlock). */
const SCRIPT_HEAD = hex("04ffff001d0104");

/** The serialised genesis block, its Merkle root computed. @throws RangeError when the message is too long. */
export function buildGenesis(parts: GenesisParts): Uint8Array {
  const coinbase = genesisCoinbase(parts);
  return new ByteWriter()
    .u32(parts.version)
    .bytes(new Uint8Array(32))
    .bytes(sha256d(coinbase))
    .u32(parts.time)
    .u32(parts.bits)
    .u32(parts.nonce)
    .compactSize(1)
    .bytes(coinbase)
    .finish();
}

function genesisCoinbase(parts: GenesisParts): Uint8Array {
  const message = new TextEncoder().encode(parts.message);
  const push = message.length < 0x4c ? [message.length] : [0x4c, message.length];
  const length = SCRIPT_HEAD.length + push.length + message.length;
  if (length > MAX_COINBASE_SCRIPT) throw new RangeError("the genesis message is too long");
  return new ByteWriter()
    .u32(1)
    .compactSize(1)
    .bytes(new Uint8Array(32))
    .u32(0xffff_ffff)
    .compactSize(length)
    .bytes(SCRIPT_HEAD)
    .bytes(Uint8Array.from(push))
    .bytes(message)
    .u32(0xffff_ffff)
    .compactSize(1)
    .i64(parts.reward)
    .varBytes(parts.script)
    .u32(0)
    .finish();
}
