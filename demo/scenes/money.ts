import type { DemoPeer } from "../peer.ts";
import { until } from "../peer.ts";
import { Bars, chapter, dim, green, say } from "../terminal.ts";

/** A coinbase can be spent after a hundred blocks. */
const BLOCKS = 104;
/** Satoshi. */
const PAYMENT = 25_000_000;
/** A usual card takes 1.5%; a usual wire abroad 0.5%, and days. */
const CARD = 0.015;
const WIRE = 0.005;

const bitcoin = (satoshi: number): string => `${satoshi / 1e8} BTC`;
const satoshi = (amount: number): string => `${amount.toLocaleString("en")} sat`;

async function address(peer: DemoPeer): Promise<string> {
  return (await peer.api.post<{ address: string }>("/wallet/addresses", {})).address;
}

/** Carol mines, the first blocks for Alice; everyone checks every rule and follows. */
export async function mine(peers: readonly DemoPeer[], carol: DemoPeer, alice: DemoPeer): Promise<void> {
  chapter(`${carol.name} mines ${BLOCKS} blocks, everyone checks every rule`);
  const started = Date.now();
  const bars = new Bars(
    peers.map(({ name }) => name),
    BLOCKS,
    "blocks",
  );
  const heights = () => Promise.all(peers.map((peer) => peer.rpc<number>("getblockcount")));
  await carol.rpc("generatetoaddress", 2, await address(alice));
  const own = await address(carol);
  for (let mined = 2; mined < BLOCKS; ) {
    const some = Math.min(17, BLOCKS - mined);
    await carol.rpc("generatetoaddress", some, own);
    mined += some;
    bars.show(await heights());
  }
  await until(async () => {
    const now = await heights();
    bars.show(now);
    return now.every((height) => height === BLOCKS) ? true : undefined;
  }, "everyone to follow");
  bars.end();
  say(`  one chain on five machines after ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

/** Alice pays Bob; he sees it at once, a block confirms it. */
export async function pay(alice: DemoPeer, bob: DemoPeer, carol: DemoPeer): Promise<void> {
  chapter(`${alice.name} pays ${bob.name} ${bitcoin(PAYMENT)}`);
  const to = await address(bob);
  const quote = await until(
    () =>
      alice.api
        .post<{ fee: number; feeRate: number }>("/wallet/quote", { to, amount: PAYMENT })
        .catch(() => undefined),
    "Alice's wallet to see her coins",
  );
  say(
    `  the fee is ${green(satoshi(quote.fee))}; a card would take about ${satoshi(PAYMENT * CARD)}, a wire ${satoshi(PAYMENT * WIRE)}`,
  );
  const started = Date.now();
  const { txid } = await alice.api.post<{ txid: string }>("/wallet/send", {
    to,
    amount: PAYMENT,
    feeRate: quote.feeRate,
  });
  const balance = async () =>
    (await bob.api.get<{ balance: { trusted: number; untrustedPending: number } }>("/wallet")).balance;
  await until(
    async () => ((await balance()).untrustedPending === PAYMENT ? true : undefined),
    "Bob to see it",
  );
  say(`  ${bob.name} sees ${dim(txid)} after ${((Date.now() - started) / 1000).toFixed(2)} s`);
  await carol.rpc("generatetoaddress", 1, await address(carol));
  await until(async () => ((await balance()).trusted === PAYMENT ? true : undefined), "the block");
  say(`  a block confirms it: ${green(bitcoin(PAYMENT))} are ${bob.name}'s, with no company between them`);
}
