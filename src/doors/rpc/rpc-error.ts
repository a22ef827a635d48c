/** Core's RPC error codes (rpc/protocol.h). */
export const RPC_CODE = {
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  parseError: -32700,
  misc: -1,
  typeError: -3,
  walletError: -4,
  walletInsufficientFunds: -6,
  walletInvalidLabelName: -11,
  walletKeypoolRanOut: -12,
  walletUnlockNeeded: -13,
  walletPassphraseIncorrect: -14,
  walletWrongEncState: -15,
  walletNotFound: -18,
  walletNotSpecified: -19,
  walletAlreadyLoaded: -35,
  invalidAddressOrKey: -5,
  outOfMemory: -7,
  invalidParameter: -8,
  clientNotConnected: -9,
  clientInInitialDownload: -10,
  databaseError: -20,
  deserialization: -22,
  clientNodeAlreadyAdded: -23,
  clientNodeNotAdded: -24,
  verifyError: -25,
  verifyRejected: -26,
  verifyAlreadyInUtxoSet: -27,
  inWarmup: -28,
  clientNodeNotConnected: -29,
  clientInvalidIpOrSubnet: -30,
  clientP2pDisabled: -31,
  methodDeprecated: -32,
  clientMempoolDisabled: -33,
  clientNodeCapacityReached: -34,
} as const;

/** What a method answers instead of a result: a code of {@link RPC_CODE} and a text for people. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
