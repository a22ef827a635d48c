/**
 * The chain cannot go on: its files are damaged or not ours, or the disk failed. The message is for the user. Never
 * thrown for a bad block.
 */
export class ChainError extends Error {
  override readonly name = "ChainError";
}
