import { addressHandlers } from "./addresses.ts";
import { blockHandlers } from "./blocks.ts";
import { filterHandlers } from "./filters.ts";
import type { MessageHandlers } from "./handler.ts";
import { handshakeHandlers } from "./handshake.ts";
import { inventoryHandlers } from "./inventory.ts";
import { pingHandlers } from "./ping.ts";
import { transactionHandlers } from "./transactions.ts";

/** What is done with each type of message; others are ignored, so that the protocol can grow. */
export const HANDLERS: MessageHandlers = {
  ...handshakeHandlers,
  ...addressHandlers,
  ...inventoryHandlers,
  ...blockHandlers,
  ...transactionHandlers,
  ...pingHandlers,
  ...filterHandlers,
};
