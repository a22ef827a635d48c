/** `freehold wallet`: coins, addresses, and paying after a look at what it costs. */
import type { Command } from "commander";
import { decodeAmount, feeLine, groups, moneyText } from "../amount-text.ts";
import type { ApiClient } from "../api-client.ts";
import { type CliContext, type CommonOptions, UsageError } from "../cli-context.ts";
import { ProgressLine } from "../progress-line.ts";
import { StandardInput } from "../standard-input.ts";
import { parseCount } from "./parse-count.ts";

interface WalletOptions extends CommonOptions {
  readonly wallet?: string;
}

interface WalletJson {
  readonly name: string;
  readonly encrypted: boolean;
  readonly locked: boolean;
  readonly balance: Readonly<Record<"trusted" | "untrustedPending" | "immature" | "nonMempool", number>>;
  readonly height: number;
  readonly transactions: number;
  readonly scanning?: { readonly duration: number; readonly progress: number };
}

interface PaymentJson {
  readonly txid: string;
  readonly status: string;
  readonly confirmations: number;
  readonly net: number;
  readonly fee?: number;
  readonly isCoinbase: boolean;
  readonly received: number;
  readonly comment?: string;
  readonly outputs: readonly {
    readonly amount: number;
    readonly address?: string;
    readonly isMine: boolean;
    readonly isChange: boolean;
    readonly label?: string;
  }[];
}

export interface QuoteJson {
  readonly quote: string;
  readonly recipients: readonly { readonly address: string; readonly amount: number }[];
  readonly change: readonly { readonly address: string; readonly amount: number }[];
  readonly fee: number;
  readonly feeRate: number;
  readonly feeSource: "given" | "estimate" | "fallback" | "minimum";
  readonly vsize: number;
  readonly total: number;
}

/** The account's keys are what the sharing process works with. */
const SHARING_STOPS = "Files, peers and jobs wait until `freehold wallet unlock`.";
/** Longest that a wallet stays unlocked, seconds. */
const MAX_UNLOCK = 100_000_000;
/** Between two looks at a wallet that looks for its coins, ms. */
const SCAN_GLANCE = 500;

export function walletCommands(program: Command, context: CliContext): void {
  const wallet = program
    .command("wallet")
    .description("the wallet: receive, send, and the words of the seed");
  addNew(wallet, context);
  addRestore(wallet, context);
  addReceive(wallet, context);
  addBalance(wallet, context);
  addHistory(wallet, context);
  addSend(wallet, context);
  addWords(wallet, context);
  addLocks(wallet, context);
}

/** A command of the family, with the option that names the wallet. */
function command(wallet: Command, context: CliContext, name: string, summary: string): Command {
  return context
    .command(wallet, name, summary)
    .option("--wallet <name>", "another wallet than the account's, `freehold`");
}

/** The wallet as a member of a body or a query. */
function named({ wallet }: WalletOptions): { wallet?: string } {
  return wallet === undefined ? {} : { wallet };
}

const WORDS_ADVICE =
  "Write these words down, on paper, in this order. They bring back coins, files and identity; whoever has them has all of it.";

function addNew(wallet: Command, context: CliContext): void {
  command(wallet, context, "new", "make a new wallet and show its 24 words, once")
    .option("--passphrase", "put the seed under a passphrase, asked for or read from standard input")
    .action(async (options: WalletOptions & { passphrase?: boolean }) => {
      const api = context.api(options);
      const passphrase = options.passphrase === true ? await askNewPassphrase() : undefined;
      const body = { ...nameOf(options), ...(passphrase === undefined ? {} : { passphrase }) };
      const made = await api.post<{ name: string; words: string }>("/wallet/new", body);
      context.print(options, made, `${WORDS_ADVICE}\n\n${wordTable(made.words)}\n`);
    });
}

function nameOf({ wallet }: WalletOptions): { name?: string } {
  return wallet === undefined ? {} : { name: wallet };
}

/** Four columns, numbered. */
function wordTable(words: string): string {
  const cells = words.split(" ").map((word, i) => `${String(i + 1).padStart(2)} ${word.padEnd(10)}`);
  const rows: string[] = [];
  for (let at = 0; at < cells.length; at += 4)
    rows.push(
      `  ${cells
        .slice(at, at + 4)
        .join(" ")
        .trimEnd()}`,
    );
  return rows.join("\n");
}

/** A line of standard input, or what is typed unseen. @throws UsageError when there is none */
async function askSecret(input: StandardInput, prompt: string): Promise<string> {
  const line = await input.secret(prompt);
  if (line === undefined || line === "") throw new UsageError("standard input ended before all was given");
  return line;
}

async function withInput<T>(ask: (input: StandardInput) => Promise<T>): Promise<T> {
  const input = new StandardInput();
  try {
    return await ask(input);
  } finally {
    input.close();
  }
}

function askNewPassphrase(): Promise<string> {
  return withInput(newPassphrase);
}

async function newPassphrase(input: StandardInput): Promise<string> {
  const passphrase = await askSecret(input, "New passphrase> ");
  if (process.stdin.isTTY === true && passphrase !== (await askSecret(input, "Again> "))) {
    throw new UsageError("the two passphrases differ");
  }
  return passphrase;
}

function addRestore(wallet: Command, context: CliContext): void {
  command(
    wallet,
    context,
    "restore",
    "bring a wallet back from its words, asked for or read from standard input",
  )
    .option("--passphrase", "put the seed under a passphrase, the next line of standard input")
    .option("--birthday <height>", "height from which to look for coins", parseHeight)
    .action(async (options: WalletOptions & { passphrase?: boolean; birthday?: number }) => {
      const api = context.api(options);
      const { words, passphrase } = await withInput(async (input) => ({
        words: await askSecret(input, "Words> "),
        passphrase: options.passphrase === true ? await newPassphrase(input) : undefined,
      }));
      const { birthday } = options;
      await api.post<WalletJson>("/wallet/restore", {
        ...nameOf(options),
        words,
        ...(passphrase === undefined ? {} : { passphrase }),
        ...(birthday === undefined ? {} : { birthday }),
      });
      const restored = await scanned(api, options);
      context.print(options, restored, `Restored.\n${balanceText(restored)}`);
    });
}

function parseHeight(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`not a height: ${text}`);
  return Number(text);
}

/** The wallet once it has looked through the chain. */
async function scanned(api: ApiClient, options: WalletOptions): Promise<WalletJson> {
  const line = new ProgressLine();
  try {
    for (;;) {
      const wallet = await api.get<WalletJson>("/wallet", named(options));
      if (wallet.scanning === undefined) return wallet;
      if (options.json !== true) {
        line.show(
          `Looking for coins  ${Math.floor(wallet.scanning.progress * 100)}%  height ${wallet.height}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, SCAN_GLANCE));
    }
  } finally {
    line.end();
  }
}

function addReceive(wallet: Command, context: CliContext): void {
  command(wallet, context, "receive", "show an address that was never given out")
    .option("--taproot", "a taproot address (BIP86) instead of a segwit one (BIP84)")
    .option("--label <text>", "what it is for, for your own eyes")
    .action(async (options: WalletOptions & { taproot?: boolean; label?: string }) => {
      const { taproot, label } = options;
      const made = await context.api(options).post<{ address: string }>("/wallet/addresses", {
        ...named(options),
        type: taproot === true ? "bech32m" : "bech32",
        ...(label === undefined ? {} : { label }),
      });
      context.print(options, made, made.address);
    });
}

function addBalance(wallet: Command, context: CliContext): void {
  command(wallet, context, "balance", "show what the wallet holds").action(async (options: WalletOptions) => {
    const state = await context.api(options).get<WalletJson>("/wallet", named(options));
    context.print(options, state, balanceText(state));
  });
}

function balanceText({ balance, locked, scanning }: WalletJson): string {
  const lines = [`${moneyText(balance.trusted)} to spend`];
  if (balance.untrustedPending > 0)
    lines.push(`${moneyText(balance.untrustedPending)} on its way, not in a block`);
  if (balance.immature > 0) lines.push(`${moneyText(balance.immature)} mined, not yet 100 blocks deep`);
  if (balance.nonMempool > 0)
    lines.push(`${moneyText(balance.nonMempool)} in payments that wait to be sent again`);
  if (scanning !== undefined) lines.push(`still looking for coins (${Math.floor(scanning.progress * 100)}%)`);
  if (locked) lines.push("locked: `freehold wallet unlock` before paying");
  return lines.join("\n");
}

function addHistory(wallet: Command, context: CliContext): void {
  command(wallet, context, "history", "show payments, newest first")
    .option("--limit <count>", "how many", (text) => parseCount(text, "--limit", 1, 1000), 20)
    .action(async (options: WalletOptions & { limit: number }) => {
      const { limit } = options;
      const query = { ...named(options), limit };
      const payments = await context.api(options).get<PaymentJson[]>("/wallet/history", query);
      const text = payments.length === 0 ? "No payments yet." : payments.map(paymentText).join("\n");
      context.print(options, payments, text);
    });
}

function paymentText(payment: PaymentJson): string {
  const { net, received, txid, fee, comment, outputs } = payment;
  const day = new Date(received * 1000).toISOString().slice(0, 16).replace("T", " ");
  const sign = net > 0 ? "+" : "−";
  const others = outputs.find(({ isMine }) => (net > 0 ? isMine : !isMine));
  const where = others?.address === undefined ? "" : `  ${net > 0 ? "at" : "to"} ${others.address}`;
  const note = others?.label ?? comment;
  return [
    `${day}  ${`${sign}${groups(Math.abs(net))} sat`.padStart(20)}  ${stateText(payment)}`,
    `    ${txid}`,
    `   ${where}${fee === undefined ? "" : `  fee ${groups(fee)} sat`}${note === undefined ? "" : `  “${note}”`}`,
  ]
    .map((line) => line.trimEnd())
    .filter((line) => line !== "")
    .join("\n");
}

function stateText({ status, confirmations, isCoinbase }: PaymentJson): string {
  const mined = isCoinbase ? "mined, " : "";
  switch (status) {
    case "confirmed":
      return `${mined}${confirmations} ${confirmations === 1 ? "block" : "blocks"} deep`;
    case "mempool":
      return "waits for a block";
    case "pending":
      return "waits to be sent again";
    case "conflicted":
      return "void: a block holds another that spends the same";
    default:
      return "void";
  }
}

function addSend(wallet: Command, context: CliContext): void {
  command(wallet, context, "send <address> <amount>", "pay: an amount in sat, such as 0.01btc, or all")
    .option("--fee-rate <rate>", "satoshi per virtual byte; estimated unless given", parseRate)
    .option("--comment <text>", "kept with the payment, for your own eyes")
    .option("--yes", "send without asking")
    .action(
      async (
        address: string,
        amountText: string,
        options: WalletOptions & { feeRate?: number; comment?: string; yes?: boolean },
      ) => {
        const api = context.api(options);
        const { feeRate, comment } = options;
        const isAll = amountText === "all";
        const amount = isAll ? await wholeBalance(api, options) : amountOf(amountText);
        const order = {
          ...named(options),
          to: address,
          amount,
          ...(isAll ? { subtractFee: true } : {}),
          ...(feeRate === undefined ? {} : { feeRate }),
        };
        const quote = await api
          .post<QuoteJson>("/wallet/quote", order)
          .catch(async (error: Error) => explain(error, api, options));
        if (options.yes !== true) {
          process.stderr.write(`${quoteText(quote)}\n`);
          if (!(await context.confirm("Send it?"))) {
            context.print(options, { sent: false }, "Nothing was sent.");
            return;
          }
        }
        const sent = await api.post<{ txid: string; fee: number; feeRate: number }>("/wallet/send", {
          quote: quote.quote,
          ...(comment === undefined ? {} : { comment }),
        });
        const { recipients, total } = quote;
        context.print(
          options,
          { ...sent, recipients, total },
          `Sent ${moneyText(recipients.reduce((sum, each) => sum + each.amount, 0))}, ${feeLine(quote)}.\n${sent.txid}`,
        );
      },
    );
}

async function wholeBalance(api: ApiClient, options: WalletOptions): Promise<number> {
  const state = await api.get<WalletJson>("/wallet", named(options));
  if (state.balance.trusted > 0) return state.balance.trusted;
  throw new Error(`there is nothing to send: ${balanceText(state).replaceAll("\n", ", ")}`);
}

/** Too little money is told of with what there is, and why it may not be spent yet. */
async function explain(error: Error, api: ApiClient, options: WalletOptions): Promise<never> {
  if (!/^insufficient funds$/i.test(error.message)) throw error;
  const state = await api.get<WalletJson>("/wallet", named(options));
  throw new Error(`${error.message}: ${balanceText(state).replaceAll("\n", ", ")}`, { cause: error });
}

function amountOf(text: string): number {
  const amount = decodeAmount(text);
  if (amount === undefined)
    throw new UsageError(`not an amount: ${text} (write 50000, 50000sat or 0.0005btc)`);
  return amount;
}

function parseRate(text: string): number {
  const rate = Number(text);
  if (!/^\d+(\.\d{1,3})?$/.test(text) || !(rate > 0)) throw new UsageError(`not a fee rate: ${text}`);
  return rate;
}

/** All that leaves the wallet, for its owner to see before anything is signed. */
function quoteText(quote: QuoteJson): string {
  const lines = quote.recipients.flatMap(({ address, amount }) => [
    `  To      ${address}`,
    `  Amount  ${moneyText(amount)}`,
  ]);
  lines.push(`  Fee     ${feeLine(quote).replace("fee ", "")}`);
  if (quote.feeSource === "fallback")
    lines.push("          nobody knows yet what confirms soon; this is a fallback");
  lines.push(`  Total   ${moneyText(quote.total)}`);
  return lines.join("\n");
}

function addWords(wallet: Command, context: CliContext): void {
  command(wallet, context, "words", "show the words of the seed")
    .option("--yes", "show them without asking")
    .action(async (options: WalletOptions & { yes?: boolean }) => {
      const api = context.api(options);
      const { encrypted } = await api.get<WalletJson>("/wallet", named(options));
      if (options.yes !== true && !(await context.confirm("Nobody else can see this screen?"))) return;
      const passphrase = encrypted ? await withInput((input) => askSecret(input, "Passphrase> ")) : undefined;
      const body = { ...named(options), ...(passphrase === undefined ? {} : { passphrase }) };
      const shown = await api.post<{ words: string }>("/wallet/words", body);
      context.print(options, shown, `${WORDS_ADVICE}\n\n${wordTable(shown.words)}\n`);
    });
}

function addLocks(wallet: Command, context: CliContext): void {
  command(
    wallet,
    context,
    "unlock",
    "let the wallet sign, its passphrase asked for or read from standard input",
  )
    .option("--seconds <count>", "for how long", (text) => parseCount(text, "--seconds", 1, MAX_UNLOCK), 600)
    .action(async (options: WalletOptions & { seconds: number }) => {
      const api = context.api(options);
      const passphrase = await withInput((input) => askSecret(input, "Passphrase> "));
      const body = { ...named(options), passphrase, seconds: options.seconds };
      const state = await api.post<WalletJson>("/wallet/unlock", body);
      context.print(options, state, `Unlocked for ${body.seconds} seconds.`);
    });
  command(wallet, context, "lock", "forget the seed until the passphrase is given again").action(
    async (options: WalletOptions) => {
      const state = await context.api(options).post<WalletJson>("/wallet/lock", named(options));
      context.print(options, state, options.wallet === undefined ? `Locked. ${SHARING_STOPS}` : "Locked.");
    },
  );
  command(wallet, context, "encrypt", "put the seed under a passphrase, and lock").action(
    async (options: WalletOptions) => {
      const api = context.api(options);
      const passphrase = await askNewPassphrase();
      const state = await api.post<WalletJson>("/wallet/encrypt", { ...named(options), passphrase });
      context.print(
        options,
        state,
        `The seed is under the passphrase now, and the wallet locked.${options.wallet === undefined ? ` ${SHARING_STOPS}` : ""}`,
      );
    },
  );
}
