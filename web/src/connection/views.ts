/** What the API tells, as the page reads it. */
import type { BlockView } from "../../../src/doors/api/event-hub.ts";
import type {
  FilesStatus,
  HostStatus,
  JobView,
  ProviderStatus,
  SharingEvent,
} from "../../../src/doors/api/sharing-control.ts";
import type { KeptReceipt } from "../../../src/sharing/deals/deal.ts";
import type { PeerView } from "../../../src/sharing/mesh/mesh.ts";
import type { SlabHealth } from "../../../src/sharing/storage/file-store.ts";

export type {
  BlockView,
  FilesStatus,
  HostStatus,
  JobView,
  KeptReceipt,
  PeerView,
  ProviderStatus,
  SlabHealth,
};

export type PageEvent =
  | SharingEvent
  | { readonly type: "block"; readonly block: BlockView; readonly change: "connected" | "disconnected" }
  | { readonly type: "mempool"; readonly transactions: number; readonly bytes: number }
  | { readonly type: "wallet"; readonly wallet: string }
  | { readonly type: "sharing"; readonly state: "running" | "starting" | "off"; readonly reason?: string };

export interface NodeStatus {
  readonly version: string;
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly ledger: {
    readonly network: string;
    readonly height: number;
    readonly headers: number;
    readonly tipTime: number;
    readonly initialBlockDownload: boolean;
    readonly peers: number;
    readonly mempool: { readonly transactions: number; readonly bytes: number };
  } | null;
  readonly sharing: {
    readonly state: "running" | "starting" | "off";
    readonly reason?: string;
    readonly peer?: string;
    readonly s3?: string;
    readonly host?: HostStatus;
    readonly provider?: ProviderStatus;
  };
}

/** Amounts in satoshi. */
export interface WalletView {
  readonly name: string;
  readonly locked: boolean;
  readonly balance: {
    readonly trusted: number;
    readonly untrustedPending: number;
    readonly immature: number;
  };
  /** While it looks for its coins in the chain. */
  readonly scanning?: { readonly progress: number };
}

export interface PaymentView {
  readonly txid: string;
  readonly status: "confirmed" | "mempool" | "pending" | "conflicted" | "gone";
  readonly confirmations: number;
  readonly net: number;
  readonly fee?: number;
  readonly isCoinbase: boolean;
  /** Seconds since 1970. */
  readonly received: number;
  readonly outputs: readonly {
    readonly amount: number;
    readonly address?: string;
    readonly isMine: boolean;
    readonly isChange: boolean;
  }[];
}

export interface QuoteView {
  /** Names exactly this payment, to be sent as it was shown. */
  readonly quote: string;
  readonly fee: number;
  /** Satoshi per virtual byte. */
  readonly feeRate: number;
  /** Satoshi that leave the wallet. */
  readonly total: number;
}

export interface FileEntry {
  readonly key: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}
