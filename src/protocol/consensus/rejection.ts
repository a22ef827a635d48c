/**
 * Why a transaction or a block is refused. A check returns `undefined` when its rule holds and a Rejection
 * when it does not; it never throws for bad input.
 */
export interface Rejection {
  readonly result: RejectionResult;
  /** Core's reject string, such as `bad-txns-inputs-missingorspent`. */
  readonly reason: string;
  /** Core's debug message, empty when there is none. */
  readonly debug: string;
}

/** What a refusal means for the one who sent it (Core: consensus/validation.h, BlockValidationResult and TxValidationResult). */
const REJECTION_RESULTS = [
  /** Breaks a consensus rule. */
  "consensus",
  /** A block known to be invalid from before. */
  "cached-invalid",
  /** The header breaks proof of work or another header rule. */
  "invalid-header",
  /** The block's data does not match its header: another version of it may be valid. */
  "mutated",
  /** We do not have the previous block. */
  "missing-prev",
  /** The previous block is invalid. */
  "invalid-prev",
  /** The time is too far in the future: it may be valid later. */
  "time-future",
  /** The header's chain has too little work to be stored. */
  "header-low-work",
  /** Valid, but not what this node relays. */
  "not-standard",
  "inputs-not-standard",
  "missing-inputs",
  /** Spends too early, or is not final yet. */
  "premature-spend",
  "witness-mutated",
  "witness-stripped",
  /** Already in the mempool, or conflicts with it. */
  "conflict",
  /** Breaks a limit of the mempool (fee, ancestors, size). */
  "mempool-policy",
  "reconsiderable",
  "no-mempool",
] as const;

export type RejectionResult = (typeof REJECTION_RESULTS)[number];

export function reject(result: RejectionResult, reason: string, debug = ""): Rejection {
  return { result, reason, debug };
}

/** As Core's `ValidationState::ToString()`: the reason, and the debug message after a comma. */
export function rejectionText(rejection: Rejection): string {
  return rejection.debug === "" ? rejection.reason : `${rejection.reason}, ${rejection.debug}`;
}
