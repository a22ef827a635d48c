/** What two nodes tell each other before anything else: version, verack, and what each can do. */
import type { ByteReader } from "#base/lib/byte-reader.ts";
import { bool, type Codec, i32, i64, struct, trailing, u32, u64, varText } from "../codec.ts";
import { legacyEndpoint, NO_ENDPOINT, type NodeEndpoint } from "../net-address.ts";

/** Core's PROTOCOL_VERSION: wtxid relay (BIP339). */
export const PROTOCOL_VERSION = 70016;
/** Peers older than this are disconnected. */
export const MIN_PEER_PROTO_VERSION = 31800;
/** From when on ping carries a nonce (BIP31), exclusive. */
export const BIP31_VERSION = 60000;
export const SENDHEADERS_VERSION = 70012;
export const FEEFILTER_VERSION = 70013;
export const WTXID_RELAY_VERSION = 70016;

/** Core's MAX_SUBVERSION_LENGTH. */
const MAX_SUBVERSION_LENGTH = 256;

export interface Version {
  readonly version: number;
  readonly services: bigint;
  /** Seconds since 1970 at the sender. */
  readonly time: number;
  /** What the sender thinks of us: our services, and our address as it sees it. */
  readonly receiverServices: bigint;
  readonly receiver: NodeEndpoint;
  readonly senderServices: bigint;
  readonly sender: NodeEndpoint;
  /** Random, to notice a connection to oneself. */
  readonly nonce: bigint;
  readonly userAgent: string;
  readonly startHeight: number;
  /** Whether transactions may be announced to it (BIP37). */
  readonly relay: boolean;
}

const whole: Codec<Version> = struct<Version>({
  version: i32,
  services: u64,
  time: i64,
  receiverServices: u64,
  receiver: legacyEndpoint,
  senderServices: u64,
  sender: legacyEndpoint,
  nonce: u64,
  userAgent: varText(MAX_SUBVERSION_LENGTH),
  startHeight: i32,
  relay: bool,
});

/** Very old peers stop after the receiver, or after any field that follows the nonce. */
export const version: Codec<Version> = {
  read(reader: ByteReader): Version {
    const head = struct<Pick<Version, "version" | "services" | "time" | "receiverServices" | "receiver">>({
      version: i32,
      services: u64,
      time: i64,
      receiverServices: u64,
      receiver: legacyEndpoint,
    }).read(reader);
    if (reader.remaining === 0) return { ...head, ...ABSENT };
    const sender = struct<Pick<Version, "senderServices" | "sender" | "nonce">>({
      senderServices: u64,
      sender: legacyEndpoint,
      nonce: u64,
    }).read(reader);
    const tail = struct<Pick<Version, "userAgent" | "startHeight" | "relay">>({
      userAgent: trailing(varText(MAX_SUBVERSION_LENGTH), ABSENT.userAgent),
      startHeight: trailing(i32, ABSENT.startHeight),
      relay: trailing(bool, ABSENT.relay),
    }).read(reader);
    return { ...head, ...sender, ...tail };
  },
  write: (writer, value) => whole.write(writer, value),
};

const ABSENT = {
  senderServices: 0n,
  sender: NO_ENDPOINT,
  nonce: 1n,
  userAgent: "",
  startHeight: -1,
  relay: true,
};

/** BIP152: whether blocks shall be announced as compact ones at once, and in which version. */
export interface SendCmpct {
  readonly highBandwidth: boolean;
  readonly version: bigint;
}

export const sendcmpct: Codec<SendCmpct> = struct<SendCmpct>({ highBandwidth: bool, version: u64 });

/** Satoshi per kvB below which the peer wants no transactions (BIP133). */
export const feefilter: Codec<number> = i64;

/** Readiness for transaction reconciliation (BIP330). */
export interface SendTxRcncl {
  readonly version: number;
  readonly salt: bigint;
}

export const sendtxrcncl: Codec<SendTxRcncl> = struct<SendTxRcncl>({ version: u32, salt: u64 });
