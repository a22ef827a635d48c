/**
 * The face that every transport shows (v1 here, v2 of BIP324 beside it): bytes in, messages out, and back. It
 * never touches a socket, and holds no more than one message and the chunk it was given.
 */
export interface Transport {
  readonly kind: TransportKind;
  /** BIP324 session id in hex; empty for v1. */
  readonly sessionId: string;
  /**
   * Takes bytes as they come from the socket. A result ends the connection: nothing more may be handed in.
   * Take all messages with {@link take} before the next call, or memory grows.
   */
  receive(bytes: Uint8Array): TransportFailure | undefined;
  /** The next whole message, in order. */
  take(): ReceivedMessage | undefined;
  /** Queues a message to be sent. The transport keeps the payload until {@link pull} hands it out. */
  push(type: string, payload: Uint8Array): void;
  /** The bytes that may go on the wire now, in order; empty while a handshake holds them back. */
  pull(): Uint8Array[];
}

export type TransportKind = "detecting" | "v1" | "v2";

/** Why a transport gave up, in Core's words for debug.log. */
export interface TransportFailure {
  readonly reason: string;
}

/** A message from the peer. A rejected one is counted and dropped, as Core does with a wrong checksum. */
export interface ReceivedMessage {
  /** Type (command), at most 12 ASCII characters; empty where a rejected header held no valid one. */
  readonly type: string;
  /** Owned by the receiver. */
  readonly payload: Uint8Array;
  /** Bytes that the message took on the wire, header included. */
  readonly wireSize: number;
  /** Why it must be dropped, where it must. */
  readonly rejected?: string;
}

/** Core's MAX_PROTOCOL_MESSAGE_LENGTH: no message is longer (net.h). */
export const MAX_PROTOCOL_MESSAGE_LENGTH = 4_000_000;
