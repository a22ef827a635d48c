import type { MessageBody, MessageType } from "#protocol/wire/messages.ts";
import type { QueuedMessage } from "../connection.ts";
import type { PeerContext } from "../context.ts";
import type { Peer } from "../peer.ts";

/** What to do with one type of message. All that it triggers is done when `run` returns. */
export interface MessageHandler<T extends MessageType> {
  /** Before which point of the handshake it is not handled: the peer's `version`, or its `verack`. */
  readonly after: "connect" | "version" | "verack";
  /** What a list over its limit means; otherwise the peer misbehaves. */
  readonly tooMany?: "disconnect" | "ignore";
  run(context: PeerContext, peer: Peer, body: MessageBody<T>, message: QueuedMessage): void | Promise<void>;
}

/** Handlers of a family of messages, by type. */
export type MessageHandlers = { readonly [T in MessageType]?: MessageHandler<T> };
