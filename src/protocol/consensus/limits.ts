/** Limits that all networks share (Core: consensus/consensus.h). */

/** Most weight of a block (BIP141). */
export const MAX_BLOCK_WEIGHT = 4_000_000;
/** Most bytes of a serialised block; only for the size of buffers. */
export const MAX_BLOCK_SERIALIZED_SIZE = 4_000_000;
/** Most signature operations of a block, counted as cost. */
export const MAX_BLOCK_SIGOPS_COST = 80_000;
/** Cost of one byte, or one signature operation, outside the witness. */
export const WITNESS_SCALE_FACTOR = 4;
/** Blocks after which a coinbase may be spent. */
export const COINBASE_MATURITY = 100;
/** Seconds by which a block's time may be ahead of ours. */
export const MAX_FUTURE_BLOCK_TIME = 2 * 60 * 60;
/** BIP94: seconds by which the first block of a period may be before the last of the old one. */
export const MAX_TIMEWARP = 600;
