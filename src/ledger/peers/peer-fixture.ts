/** For tests: whole nodes on regtest that talk over loopback, and a peer that says what a test tells it to. */
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket as NodeSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHexReversed } from "#base/lib/bytes.ts";
import { type Clock, systemClock } from "#base/lib/clock.ts";
import type { Logger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import {
  CLOCK_TIME,
  openTestChain,
  type TestBlock,
  type TestChain,
  type TestChainOptions,
} from "#ledger/chain/chain-fixture.ts";
import { MempoolAcceptor } from "#ledger/mempool/accept.ts";
import { Mempool } from "#ledger/mempool/mempool.ts";
import { DEFAULT_MEMPOOL_OPTIONS } from "#ledger/mempool/mempool-options.ts";
import { PROTOCOL_VERSION, type Version } from "#protocol/wire/messages/handshake.ts";
import {
  decodeMessage,
  encodeMessage,
  isMessageType,
  type MessageBody,
  type MessageType,
} from "#protocol/wire/messages.ts";
import { NO_ENDPOINT } from "#protocol/wire/net-address.ts";
import { NODE_NETWORK, NODE_WITNESS } from "#protocol/wire/services.ts";
import { V1Transport } from "#protocol/wire/transport-v1.ts";
import { DEFAULT_PEER_OPTIONS, type PeerOptions } from "./options.ts";
import { PeerManager } from "./peer-manager.ts";
import type { SocketLayer } from "./socket.ts";
import { tcpSockets } from "./tcp-sockets.ts";

interface Cleanup {
  after(action: () => void | Promise<void>): void;
}

/** Runs as the machine's clock does, but stands where the blocks of chain-fixture.ts end. Can be put forward. */
export class TestClock implements Clock {
  #offset = CLOCK_TIME * 1000 - Date.now();

  now(): number {
    return Date.now() + this.#offset;
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  after(delay: number, action: () => void): () => void {
    return systemClock.after(delay, action);
  }

  /** As setmocktime does: what is due by the clock falls due at the next tick. */
  forward(milliseconds: number): void {
    this.#offset += milliseconds;
  }
}

export interface NodeOptions {
  readonly loadingBlocks?: () => boolean;
  /** The machine's own where left out. */
  readonly sockets?: SocketLayer;
  /** The test's own where left out. */
  readonly clock?: Clock;
  readonly chain?: TestChainOptions;
  readonly peers?: Partial<PeerOptions>;
  readonly seed?: number;
}

/** A node without doors: chain, mempool and peers, wired as the real one. */
export class TestNode {
  readonly test: TestChain;
  readonly mempool: Mempool;
  readonly acceptor: MempoolAcceptor;
  readonly peers: PeerManager;
  /** Moves the node's time, unless it was given another clock. */
  readonly clock: TestClock;
  /** What was logged, the newest last. */
  readonly log: string[];

  private constructor(parts: Pick<TestNode, "test" | "mempool" | "acceptor" | "peers" | "clock" | "log">) {
    this.test = parts.test;
    this.mempool = parts.mempool;
    this.acceptor = parts.acceptor;
    this.peers = parts.peers;
    this.clock = parts.clock;
    this.log = parts.log;
  }

  /** Opens a node that listens on loopback; it is closed at the end of the test. */
  static async open(t: Cleanup, options: NodeOptions = {}): Promise<TestNode> {
    const directory = mkdtempSync(join(tmpdir(), "freehold-peers-"));
    const testClock = new TestClock();
    const clock = options.clock ?? testClock;
    const random = new SeededRandom(options.seed ?? 1);
    const test = await openTestChain(directory, { clock, ...options.chain });
    const { chain } = test;
    const lines: string[] = [];
    const log = listLogger(lines);
    const mempool = new Mempool(
      { ...DEFAULT_MEMPOOL_OPTIONS, requireStandard: false },
      { random, now: () => clock.now() / 1000, log },
    );
    const now = (): number => Math.floor(clock.now() / 1000);
    const acceptor = new MempoolAcceptor({ mempool, chain, log, now });
    const peers = await PeerManager.open(
      {
        ...DEFAULT_PEER_OPTIONS,
        version: "0.1.0",
        directory,
        bind: ["127.0.0.1:0"],
        connect: [],
        ...options.peers,
      },
      {
        chain,
        mempool,
        acceptor,
        clock,
        random,
        log,
        files: nodeDisk.files,
        sockets: options.sockets ?? tcpSockets,
        loadingBlocks: options.loadingBlocks ?? (() => false),
      },
    );
    chain.updated.on(async (update) => {
      await acceptor.chainMoved(update);
      await peers.chainMoved(update);
    });
    chain.blockChecked.on((verdict) => peers.blockChecked(verdict));
    await peers.start();
    const node = new TestNode({ test, mempool, acceptor, peers, clock: testClock, log: lines });
    t.after(async () => {
      await node.close();
      rmSync(directory, { recursive: true, force: true });
    });
    return node;
  }

  #closed = false;

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.peers.stop();
    await this.test.chain.close();
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get port(): number {
    return this.peers.listening[0]!.port;
  }

  get height(): number {
    return this.test.chain.tip.height;
  }

  get tip(): string {
    return toHexReversed(this.test.chain.tip.hash);
  }

  /** Connects to another node, and waits until both have shaken hands. */
  async connectTo(other: TestNode): Promise<void> {
    const before = other.peers.peers().length;
    await this.peers.connectOnce(other.address);
    await until(() => {
      const mine = this.peers.peers().find(({ addr }) => addr === other.address);
      const theirs = other.peers.peers();
      return (
        (mine?.bytesRecvPerMessage["pong"] ?? 0) > 0 &&
        theirs.length > before &&
        theirs.every(({ bytesRecvPerMessage }) => (bytesRecvPerMessage["pong"] ?? 0) > 0)
      );
    }, "the handshake");
  }

  async mine(blocks: readonly TestBlock[]): Promise<void> {
    await this.test.submitAll(blocks);
  }
}

function listLogger(lines: string[]): Logger {
  const add = (text: string): void => {
    lines.push(text);
  };
  return { info: add, warn: add, error: add, debug: (_category, text) => add(text()) };
}

/** Waits until something holds; fails with its name when it takes too long. */
export async function until(holds: () => boolean, what: string, timeout = 20_000): Promise<void> {
  const end = performance.now() + timeout;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`waited ${timeout} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface Seen {
  readonly type: string;
  readonly payload: Uint8Array;
}

/** A peer over a raw socket. It shakes hands and answers pings unless told otherwise; all else a test sends. */
export class ScriptedPeer {
  readonly received: Seen[] = [];
  /** Whether pings are answered. */
  answersPings = true;
  readonly #socket: NodeSocket;
  readonly #transport: V1Transport;
  #closed = false;
  #ping = 0n;

  private constructor(socket: NodeSocket, magic: Uint8Array) {
    this.#socket = socket;
    this.#transport = new V1Transport(magic);
    socket.on("data", (bytes) => this.#take(new Uint8Array(bytes)));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#closed = true;
    });
  }

  /** Connects and shakes hands, with what `changes` says of it in its `version`. */
  static async connect(t: Cleanup, node: TestNode, changes: Partial<Version> = {}): Promise<ScriptedPeer> {
    const peer = await ScriptedPeer.dial(t, node);
    peer.sendVersion(changes);
    await peer.next("verack");
    peer.send("wtxidrelay", undefined);
    peer.send("sendaddrv2", undefined);
    peer.send("verack", undefined);
    await peer.next("ping");
    return peer;
  }

  /** Connects and says nothing. */
  static async dial(t: Cleanup, node: TestNode): Promise<ScriptedPeer> {
    const socket = connect({ host: "127.0.0.1", port: node.port, noDelay: true });
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", () => resolve());
      socket.once("error", reject);
    });
    const peer = new ScriptedPeer(socket, node.test.network.magic);
    t.after(() => peer.close());
    return peer;
  }

  get closed(): boolean {
    return this.#closed;
  }

  get localPort(): number {
    return this.#socket.localPort ?? 0;
  }

  sendVersion(changes: Partial<Version> = {}): void {
    this.send("version", {
      version: PROTOCOL_VERSION,
      services: NODE_NETWORK | NODE_WITNESS,
      time: CLOCK_TIME,
      receiverServices: 0n,
      receiver: NO_ENDPOINT,
      senderServices: 0n,
      sender: NO_ENDPOINT,
      nonce: 12_345n,
      userAgent: "/scripted:0.0.1/",
      startHeight: 0,
      relay: true,
      ...changes,
    });
  }

  send<T extends MessageType>(type: T, body: MessageBody<T>): void {
    this.sendRaw(type, encodeMessage(type, body));
  }

  /** A message with any payload. */
  sendRaw(type: string, payload: Uint8Array): void {
    this.#transport.push(type, payload);
    for (const chunk of this.#transport.pull()) this.write(chunk);
  }

  /** Bytes, whatever they are. */
  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** Bytes that were written and not taken by the other side. */
  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** Messages of a type that came so far. */
  all<T extends MessageType>(type: T): MessageBody<T>[] {
    return this.received
      .filter((seen) => seen.type === type)
      .map((seen) => decodeMessage(type, seen.payload));
  }

  /** Waits for the first message of a type that came after `skip` others of it. */
  async next<T extends MessageType>(type: T, skip = 0): Promise<MessageBody<T>> {
    await until(() => this.all(type).length > skip || this.#closed, `${type} (${skip})`);
    const found = this.all(type);
    if (found.length <= skip) throw new Error(`the connection was closed before ${type} came`);
    return found[skip]!;
  }

  /** Waits until all that was sent before is handled (two pings, as the turns of others may come between). */
  async sync(): Promise<void> {
    for (let i = 0; i < 2; i++) {
      this.#ping++;
      this.send("ping", this.#ping);
      const wanted = new Uint8Array(8);
      new DataView(wanted.buffer).setBigUint64(0, this.#ping, true);
      await until(
        () => this.#closed || this.all("pong").some((pong) => pong.every((byte, at) => byte === wanted[at])),
        "pong",
      );
      if (this.#closed) throw new Error("the connection was closed before pong came");
    }
  }

  async untilClosed(): Promise<void> {
    await until(() => this.#closed, "the end of the connection");
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Uint8Array): void {
    const failure = this.#transport.receive(bytes);
    if (failure !== undefined) throw new Error(failure.reason);
    for (let message = this.#transport.take(); message; message = this.#transport.take()) {
      const { type, payload } = message;
      if (!isMessageType(type)) throw new Error(`a message of unknown type ${type} came`);
      this.received.push({ type, payload });
      if (type === "ping" && this.answersPings) this.sendRaw("pong", payload);
    }
  }
}
