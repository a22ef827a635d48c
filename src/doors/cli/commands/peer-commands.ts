/** `freehold peer`, `peers`, `deals` and `receipts`: who is around, and what was agreed and done between us. */
import type { Command } from "commander";
import { renderUnicodeCompact } from "uqr";
import type { SharingControl } from "#doors/api/sharing-control.ts";
import { type ApiClient, ApiRefusal } from "../api-client.ts";
import { type CliContext, type CommonOptions, UsageError } from "../cli-context.ts";
import { byteText } from "../progress-line.ts";
import { parseCount } from "./parse-count.ts";

type Peer = Omit<Awaited<ReturnType<SharingControl["peers"]>>[number], "offers"> & {
  readonly offers: Readonly<Record<string, string>>;
};
type Deal = Awaited<ReturnType<SharingControl["deals"]>>[number];
type Receipt = Omit<
  Awaited<ReturnType<SharingControl["receipts"]>>[number],
  "sellerSignature" | "buyerSignature"
>;

const HOUR = 3600;
const MAX_HOURS = 720;
const SERVICES = ["storage", "compute", "relay"];

export function peerCommands(program: Command, context: CliContext): void {
  const peer = program.command("peer").description("invite, add, remove, ban or forget a peer");
  inviteCommand(peer, context);
  changeCommands(peer, context);
  removeCommand(peer, context);

  context
    .command(program, "peers", "list known peers, connected or not")
    .action(async (options: CommonOptions) => {
      const peers = await context.api(options).get<readonly Peer[]>("/peers");
      const text =
        peers.length === 0 ? "No peers yet: freehold peer invite, or peer add <link>." : peersText(peers);
      context.print(options, peers, text);
    });
  dealCommands(program, context);
}

function inviteCommand(peer: Command, context: CliContext): void {
  context
    .command(peer, "invite", "make a link and a QR code that let others into your circle")
    .option("--uses <n>", "accounts that may take it up", "1")
    .option("--hours <n>", "how long it holds", "24")
    .action(async (options: CommonOptions & { uses: string; hours: string }) => {
      const uses = parseCount(options.uses, "--uses", 1, 1000);
      const seconds = HOUR * parseCount(options.hours, "--hours", 1, MAX_HOURS);
      const api = context.api(options);
      const made = await api.post<{ link: string; expires: number }>("/peers/invitations", { uses, seconds });
      const until = new Date(made.expires * 1000).toLocaleString();
      const text = [
        renderUnicodeCompact(made.link, { ecc: "L" }),
        "",
        made.link,
        "",
        `For ${uses === 1 ? "one account" : `${uses} accounts`}, until ${until}. On the other machine:`,
        `  freehold peer add ${made.link.slice(0, 24)}…`,
        ...((await isHeardHereAlone(api)) ? ["", HERE_ALONE] : []),
      ].join("\n");
      context.print(options, made, text);
    });
}

const HERE_ALONE =
  "It leads to this machine alone, where the mesh listens now. To let other machines in, start the node with\n" +
  "  --meshbind=/ip4/<address of this machine>/tcp/8440";

/** True when the mesh listens on loopback and nowhere else: nobody can take an invitation up from elsewhere. */
async function isHeardHereAlone(api: ApiClient): Promise<boolean> {
  const { sharing } = await api.get<{ sharing: { listening?: readonly string[] } }>("/status");
  return sharing.listening?.every((address) => LOOPBACK.test(address)) === true;
}

const LOOPBACK = /^\/(ip4\/127\.|ip6\/::1\/|dns[46]?\/localhost\/)/;

/** Whom the other machine did not hear: what to look at. */
function unheard(error: Error): never {
  if (
    !(error instanceof ApiRefusal && /ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|timed? ?out/i.test(error.message))
  )
    throw error;
  const hint = /127\.0\.0\.1|::1/.test(error.message)
    ? "the address is of this machine alone: if the peer is on another, its node needs --meshbind and a new invitation"
    : "is its node running, and may this machine reach it there?";
  throw new Error(`the peer does not answer (${error.message}); ${hint}`, { cause: error });
}

function changeCommands(peer: Command, context: CliContext): void {
  context
    .command(peer, "add <link>", "accept an invitation, or add a peer by its address (/ip4/…/tcp/…/p2p/…)")
    .action(async (link: string, options: CommonOptions) => {
      const added = await context.api(options).post<Peer>("/peers", { link }).catch(unheard);
      context.print(options, added, `Connected to ${nameOf(added)}, ${added.standing}.`);
    });

  context
    .command(peer, "ban <peer>", "disconnect a peer and refuse it for a day")
    .option("--reason <text>", "why, for yourself")
    .action(async (text: string, options: CommonOptions & { reason?: string }) => {
      const { api, peer: id } = await findPeer(context, options, text);
      const body = options.reason === undefined ? {} : { reason: options.reason };
      const banned = await api.post<Peer>(`/peers/${id}/ban`, body);
      context.print(options, banned, `Banned ${nameOf(banned)} for a day.`);
    });

  context
    .command(peer, "forget <peer>", "drop a peer: its addresses, and the trust in its account")
    .action(async (text: string, options: CommonOptions) => {
      const { api, peer: id } = await findPeer(context, options, text);
      await api.delete(`/peers/${id}`);
      context.print(options, { forgotten: id }, `Forgotten: ${id}`);
    });
}

function removeCommand(peer: Command, context: CliContext): void {
  context
    .command(
      peer,
      "remove <peer>",
      "take a peer's account out of the circle that you founded, for every member",
    )
    .option("-y, --yes", "do not ask")
    .action(async (text: string, options: CommonOptions & { yes?: boolean }) => {
      const { api, view } = await findPeer(context, options, text);
      const question =
        `Remove ${nameOf(view)} from your circle? No member that hears of it treats any of its devices as a friend ` +
        "any more, it is told, and invitations that it took up are closed.";
      if (options.yes !== true && !(await context.confirm(question))) {
        context.print(options, { removed: false }, "Nothing was changed.");
        return;
      }
      const removed = await api.post<Peer>(`/peers/${view.peer}/remove`);
      const told = `Removed ${nameOf(removed)}. Members who are away hear of it from the others.`;
      context.print(options, { removed: true, peer: removed }, told);
    });
}

function dealCommands(program: Command, context: CliContext): void {
  context
    .command(program, "deals", "list the terms agreed with peers")
    .action(async (options: CommonOptions) => {
      const deals = await context.api(options).get<readonly Deal[]>("/deals");
      const lines = deals.map(
        ({ id, service, role, peer, rail, state, until }) =>
          `${id.slice(0, 8)}  ${service.padEnd(8)} ${role.padEnd(7)} ${peer.slice(-8)}  ${rail.padEnd(9)} ` +
          `${state.padEnd(7)} until ${timeText(until)}`,
      );
      context.print(options, deals, lines.length === 0 ? "No deals yet." : lines.join("\n"));
    });

  context
    .command(program, "receipts", "list what was done for whom, when, against which proof; newest first")
    .option("--service <name>", "storage, compute or relay")
    .option("--peer <peer>", "with this peer alone")
    .option("--limit <n>", "at most this many", "100")
    .action(async (options: CommonOptions & { service?: string; peer?: string; limit: string }) => {
      const limit = parseCount(options.limit, "--limit", 1, 1000);
      if (options.service !== undefined && !SERVICES.includes(options.service)) {
        throw new UsageError(`--service ${options.service}: storage, compute or relay is needed`);
      }
      const peer =
        options.peer === undefined ? undefined : (await findPeer(context, options, options.peer)).peer;
      const query = { limit, service: options.service, peer };
      const receipts = await context.api(options).get<readonly Receipt[]>("/receipts", query);
      const text = receipts.length === 0 ? "No receipts yet." : receipts.map(receiptLine).join("\n");
      context.print(options, receipts, text);
    });
}

/** A peer by its id, the end of its id, or its name where only one has it. @throws UsageError */
async function findPeer(
  context: CliContext,
  options: CommonOptions,
  text: string,
): Promise<{ readonly api: ReturnType<CliContext["api"]>; readonly peer: string; readonly view: Peer }> {
  const api = context.api(options);
  const peers = await api.get<readonly Peer[]>("/peers");
  const exact = peers.find(({ peer }) => peer === text);
  if (exact !== undefined) return { api, peer: exact.peer, view: exact };
  const found = peers.filter(({ peer, name }) => name === text || (text.length >= 6 && peer.endsWith(text)));
  if (found.length === 1) return { api, peer: found[0]!.peer, view: found[0]! };
  throw new UsageError(
    found.length === 0
      ? `no peer ${text}; freehold peers lists them`
      : `${text} is not one peer: give its id`,
  );
}

function peersText(peers: readonly Peer[]): string {
  const order = { friend: 0, stranger: 1, banned: 2 };
  const sorted = [...peers].sort(
    (a, b) => Number(b.connected) - Number(a.connected) || order[a.standing] - order[b.standing],
  );
  return sorted.map(peerLine).join("\n");
}

function peerLine(view: Peer): string {
  const latency = view.latencyMs === undefined ? "" : `${view.latencyMs.toFixed(1)} ms`;
  const traffic = `↑${byteText(view.bytesSent)} ↓${byteText(view.bytesReceived)}`;
  const offers = view.standingReason ?? Object.keys(view.offers).join(", ");
  return [
    view.connected ? "●" : "○",
    nameOf(view).padEnd(20),
    view.standing.padEnd(8),
    view.peer.slice(-8),
    latency.padStart(9),
    traffic,
    offers,
  ]
    .join("  ")
    .trimEnd();
}

function receiptLine(receipt: Receipt): string {
  const paid = receipt.amountMsat === 0 ? "free" : `${receipt.amountMsat / 1000} sat`;
  const side = receipt.role === "seller" ? "did for" : "got from";
  return (
    `${timeText(receipt.time)}  ${receipt.what.padEnd(16)} ${side} ${receipt.peer.slice(-8)}  ${paid}  ` +
    `${receipt.subject.slice(0, 12)}  proof ${receipt.proof.slice(0, 12)}`
  );
}

/** What it calls itself, without what could disturb a terminal. */
function nameOf({ name, peer }: Peer): string {
  const plain = name.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, "").trim();
  return plain === "" ? peer.slice(-8) : plain;
}

function timeText(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
}
