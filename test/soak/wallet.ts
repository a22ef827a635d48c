import { sufferWalletCuts } from "../crash/wallet-cuts.ts";

/** Power cuts that each wallet goes through. */
const CUTS = 5;

/**
 * Cuts the power of wallets that receive, pay, and follow reorgs, at random instants, and holds each to what it told its
 * owner and to a twin restored from its words.
 * @param args how many cuts (500 when left out), and the first seed (1).
 */
export async function run(args: string[]): Promise<void> {
  const wanted = Number(args[0] ?? 500);
  const first = Number(args[1] ?? 1);
  const wallets = Math.ceil(wanted / CUTS);
  const start = performance.now();
  for (let seed = first; seed < first + wallets; seed++) await sufferWalletCuts(seed, CUTS);
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(
    `${wallets * CUTS} power cuts of ${wallets} wallets in ${seconds} s: nothing acknowledged was lost`,
  );
}
