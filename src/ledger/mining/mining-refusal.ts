/** Why a mining call is refused: Core's words, and the kind of its RPC error. */
export interface MiningRefusal {
  readonly kind: MiningRefusalKind;
  readonly text: string;
}

export type MiningRefusalKind =
  /** RPC_INVALID_PARAMETER */
  | "invalid-parameter"
  /** RPC_INVALID_ADDRESS_OR_KEY */
  | "invalid-address-or-key"
  /** RPC_DESERIALIZATION_ERROR */
  | "deserialization"
  /** RPC_VERIFY_ERROR */
  | "verify"
  /** RPC_INTERNAL_ERROR */
  | "internal"
  /** RPC_MISC_ERROR */
  | "misc";

export function refuse(kind: MiningRefusalKind, text: string): MiningRefusal {
  return { kind, text };
}

export function isRefusal(value: object): value is MiningRefusal {
  return "kind" in value && "text" in value;
}
