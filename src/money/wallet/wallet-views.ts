/** What a wallet tells and takes: plain, serialisable values, amounts in satoshi, hashes as people read them. */
import type { BlockPlace } from "#money/ports/chain-source.ts";

export const ADDRESS_TYPES = ["bech32", "bech32m"] as const;
/** BIP84 (P2WPKH) or BIP86 (P2TR, key path), under Core's names. */
export type AddressType = (typeof ADDRESS_TYPES)[number];

/** Satoshi, each coin in one of the sums (Core's `getbalances`). */
export interface Balances {
  /** Confirmed, or unconfirmed from ourselves and in the mempool. */
  readonly trusted: number;
  /** From others, waiting for a block. */
  readonly untrustedPending: number;
  /** Mined and not yet 100 blocks deep. */
  readonly immature: number;
  /** Coins spent by transactions of ours that the mempool does not hold. */
  readonly nonMempool: number;
}

/** A coin of the wallet that may be spent. */
export interface CoinView {
  readonly txid: string;
  readonly vout: number;
  /** Satoshi. */
  readonly amount: number;
  readonly script: Uint8Array;
  readonly address: string;
  readonly label: string | undefined;
  readonly isChange: boolean;
  /** 0 in the mempool. */
  readonly confirmations: number;
  /** Confirmed, or our own change. */
  readonly isSafe: boolean;
  /** Output descriptor with key origin and checksum. */
  readonly descriptor: string;
  readonly parentDescriptor: string;
}

/** `conflicted`: a block holds another transaction that spends the same. */
export type TxStatus = "confirmed" | "mempool" | "pending" | "conflicted" | "gone";

/** One transaction as the owner sees it. */
export interface HistoryEntry {
  readonly txid: string;
  readonly wtxid: string;
  readonly raw: Uint8Array;
  readonly status: TxStatus;
  /** Negative as many blocks deep as the one that conflicts. */
  readonly confirmations: number;
  readonly block: BlockPlace | undefined;
  readonly position: number | undefined;
  readonly isCoinbase: boolean;
  /** Satoshi that came to the wallet less those that left it, fee included. */
  readonly net: number;
  /** Satoshi that we paid; known when every input is ours. */
  readonly fee: number | undefined;
  /** Unconfirmed, but from ourselves alone. */
  readonly isTrusted: boolean;
  readonly isReplaceable: boolean;
  readonly outputs: readonly HistoryOutput[];
  /** Satoshi of ours that it spends. */
  readonly spent: number;
  /** Seconds since 1970 when we first knew of it. */
  readonly received: number;
  /** Txids of wallet transactions that spend one of its inputs too. */
  readonly conflicts: readonly string[];
  readonly mempoolConflicts: readonly string[];
  readonly replacedBy: string | undefined;
  readonly comment: string | undefined;
  readonly commentTo: string | undefined;
}

export interface HistoryOutput {
  readonly vout: number;
  readonly amount: number;
  readonly script: Uint8Array;
  readonly address: string | undefined;
  readonly isMine: boolean;
  readonly isChange: boolean;
  readonly label: string | undefined;
  readonly parentDescriptor: string | undefined;
}

/** What is to be paid. */
export interface SpendRequest {
  readonly recipients: readonly { readonly address: string; readonly amount: number }[];
  /** Satoshi per virtual byte, in steps of 0.001; else the chain's estimate, else a fallback. */
  readonly feeRate?: number | undefined;
  /** Blocks within which it should confirm, where the rate is estimated (6 unless told). */
  readonly confirmTarget?: number | undefined;
  /** The first recipient gets the amount less the fee. */
  readonly subtractFee?: boolean | undefined;
  /** BIP125 signal; on unless told. */
  readonly replaceable?: boolean | undefined;
}

/** What a PSBT does, worked out from its bytes and the wallet's own records alone. */
export interface SpendReview {
  readonly recipients: readonly { readonly address: string; readonly amount: number }[];
  readonly change: readonly { readonly address: string; readonly amount: number }[];
  readonly inputs: readonly { readonly txid: string; readonly vout: number; readonly amount: number }[];
  /** Satoshi. */
  readonly fee: number;
  /** Virtual bytes when signed. */
  readonly vsize: number;
  /** Satoshi per virtual byte, rounded to thousandths. */
  readonly feeRate: number;
  readonly lockTime: number;
  readonly replaceable: boolean;
}

/** Where a fee rate came from. */
export type FeeSource = "given" | "estimate" | "fallback" | "minimum";

/** A payment to look at, not signed. */
export interface SpendProposal {
  /** BIP174. */
  readonly psbt: Uint8Array;
  readonly review: SpendReview;
  readonly feeSource: FeeSource;
}

/** Why the wallet does not do what it was asked. Texts are for people. */
export type WalletRefusal =
  | "locked"
  | "invalid-address"
  | "invalid-amount"
  | "insufficient-funds"
  | "fee-too-high"
  | "fee-too-low"
  | "fee-unknown"
  | "not-ours"
  | "changed"
  | "rejected"
  | "wrong-passphrase"
  | "not-encrypted"
  | "already-encrypted"
  | "exists"
  | "not-found"
  | "already-loaded"
  | "invalid-name"
  | "invalid-words"
  | "damaged";

/** A verdict as a value. */
export type WalletOutcome<T> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly refusal: WalletRefusal; readonly reason: string };

/** How far a wallet is and what state it is in. */
export interface WalletInfo {
  readonly name: string;
  readonly txCount: number;
  /** Addresses watched ahead of the last used, receiving and change. */
  readonly keypoolSize: { readonly receiving: number; readonly change: number };
  readonly isEncrypted: boolean;
  readonly isLocked: boolean;
  /** Seconds since 1970 at which it locks itself; 0 when locked, undefined when not encrypted. */
  readonly unlockedUntil: number | undefined;
  /** Height from which the chain was scanned. */
  readonly birthday: number;
  /** Seconds since 1970 when it was made; undefined when restored. */
  readonly birthTime: number | undefined;
  readonly tip: BlockPlace;
  /** While it catches up with the chain: seconds so far, and the share done. */
  readonly scanning: { readonly duration: number; readonly progress: number } | undefined;
}
