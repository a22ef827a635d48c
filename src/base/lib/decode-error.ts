/**
 * Bytes or text from outside that do not follow their format. Codecs throw it; the edge that took the input
 * (a peer's connection, an RPC call, a file reader) catches it and turns it into a verdict for the sender.
 */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** What `read` returns, `undefined` where it throws {@link DecodeError}: for an edge that need not know why. */
export function decodedOrUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
