export interface LinkLimits {
  /** Longest frame that may come in, bytes of CBOR. */
  readonly frameBytes: number;
  /** Longest frame that the other side takes. */
  readonly sentFrameBytes: number;
  /** Calls in flight, each way. */
  readonly calls: number;
  /** Bytes of the calls in flight, each way; one more is taken while the sum before it is under this. */
  readonly callBytes: number;
  /** Bytes of one stream sent ahead; one more item is sent while the sum before it is under this. */
  readonly windowBytes: number;
  /** Own calls that wait for a place in flight. */
  readonly lineLength: number;
  /** Frames taken in within a second; beyond, the pipe is left unread until the second is over. */
  readonly framesPerSecond: number;
  /** Refused calls within a minute that are borne; one more ends the link. */
  readonly refusalsPerMinute: number;
  /** Longest that the other side may leave the pipe full, ms. */
  readonly stallMs: number;
}

const MIB = 1024 * 1024;

export const LINK_LIMITS: LinkLimits = {
  frameBytes: 4 * MIB,
  sentFrameBytes: 4 * MIB,
  calls: 64,
  callBytes: 4 * MIB,
  windowBytes: 256 * 1024,
  lineLength: 1024,
  framesPerSecond: 5000,
  refusalsPerMinute: 100,
  stallMs: 60_000,
};
