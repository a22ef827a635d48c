import type { Clock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import type { Random } from "#base/lib/random.ts";
import type { ChainState } from "#ledger/chain/chain-state.ts";
import type { AcceptResult } from "#ledger/mempool/accept.ts";
import type { Mempool } from "#ledger/mempool/mempool.ts";
import type { Network } from "#protocol/bitcoin/network.ts";
import type { TxTable } from "#protocol/bitcoin/tx-table.ts";
import type { MessageBody, MessageType } from "#protocol/wire/messages.ts";
import type { AddressBook } from "./address-book.ts";
import type { AddressGossip } from "./address-gossip.ts";
import type { BanList } from "./ban-list.ts";
import type { BlockServing } from "./block-serving.ts";
import type { BlockSync } from "./block-sync.ts";
import type { ChainView } from "./chain-view.ts";
import type { HeaderSync } from "./header-sync.ts";
import type { LocalAddresses } from "./local-addresses.ts";
import type { PeerOptions } from "./options.ts";
import type { Peer } from "./peer.ts";
import type { TimeOffsets } from "./time-offsets.ts";
import type { Traffic } from "./traffic.ts";
import type { TransactionDownload } from "./transaction-download.ts";
import type { TransactionRelay } from "./transaction-relay.ts";

/** What takes transactions into the mempool. */
export interface TransactionAcceptor {
  /** Takes the chain-state lock. The table holds one transaction. */
  accept(table: TxTable): Promise<AcceptResult>;
}

/** All that a handler of messages may use. Put together once, by PeerManager. */
export interface PeerContext {
  readonly options: PeerOptions;
  readonly network: Network;
  readonly chain: ChainState;
  readonly mempool: Mempool;
  readonly acceptor: TransactionAcceptor;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly subversion: string;
  /** By id, in the order of connection. */
  readonly peers: ReadonlyMap<number, Peer>;
  readonly book: AddressBook;
  readonly bans: BanList;
  readonly locals: LocalAddresses;
  readonly traffic: Traffic;
  readonly timeOffsets: TimeOffsets;
  readonly view: ChainView;
  readonly headers: HeaderSync;
  readonly blocks: BlockSync;
  readonly serving: BlockServing;
  readonly download: TransactionDownload;
  readonly relay: TransactionRelay;
  readonly gossip: AddressGossip;
  /** Blocks are being read in from files: peers are neither asked for any nor given headers. */
  loadingBlocks(): boolean;
  /** Milliseconds since 1970, mocked time included. */
  now(): number;
  /** The same in whole seconds. */
  seconds(): number;
  send<T extends MessageType>(peer: Peer, type: T, body: MessageBody<T>): void;
  /** The peer broke the protocol: it is disconnected and its address discouraged, unless it may not be. */
  misbehaving(peer: Peer, why: string): void;
  /** Ends the connection when the message at hand is done. */
  disconnect(peer: Peer, why: string, options?: { log: "info" | "debug" }): void;
  /** Lets every peer have its turn at once, not only at the next tick. */
  wake(): void;
}
