import type { Json, JsonObject } from "#base/lib/json.ts";
import type { Outcome } from "./bitcoin-cli.ts";

const member = (value: Json | undefined, ...path: string[]): Json | undefined =>
  path.reduce<Json | undefined>((at, name) => (at as JsonObject | null | undefined)?.[name], value);

const text = (value: Json | undefined): string => {
  if (value === undefined || value === null) return "";
  if (Array.isArray(value)) return value.map((item) => text(item)).join("\n");
  return typeof value === "object" && "text" in value ? String(value.text) : String(value);
};

/** The text of -getinfo from the replies of getnetworkinfo, getblockchaininfo, getwalletinfo and getbalances. */
export function formatInfo(replies: readonly Json[], colour: boolean): Outcome {
  for (const reply of replies.slice(0, 2)) {
    const error = member(reply, "error");
    if (error !== undefined && error !== null) {
      const code = text(member(error, "code"));
      return {
        code: Math.abs(Number(code)) & 0xff,
        text: `error code: ${code}\nerror message:\n${text(member(error, "message"))}\n`,
      };
    }
  }
  const paint = (code: number, words: string) => (colour ? `\u001b[${code}m${words}\u001b[0m` : words);
  const network = member(replies[0], "result");
  const chain = member(replies[1], "result");
  const wallet = member(replies[2], "result");
  const progress = Number(text(member(chain, "verificationprogress"))) * 100;
  const lines = [
    paint(34, `Chain: ${text(member(chain, "chain"))}`),
    `Blocks: ${text(member(chain, "blocks"))}`,
    `Headers: ${text(member(chain, "headers"))}`,
    `Verification progress: ${progress.toFixed(4)}%`,
    `Difficulty: ${text(member(chain, "difficulty"))}`,
    "",
    paint(32, "Network: ") +
      `in ${text(member(network, "connections_in"))}, out ${text(member(network, "connections_out"))}, total ${text(member(network, "connections"))}`,
    `Version: ${text(member(network, "version"))}`,
    `Time offset (s): ${text(member(network, "timeoffset"))}`,
    `Min tx relay fee rate (BTC/kvB): ${text(member(network, "relayfee"))}`,
  ];
  if (wallet !== undefined && wallet !== null) {
    lines.push(
      "",
      paint(35, `Wallet: ${text(member(wallet, "walletname")) || '""'}`),
      `Keypool size: ${text(member(wallet, "keypoolsize"))}`,
      `Transaction fee rate (-paytxfee) (BTC/kvB): ${text(member(wallet, "paytxfee"))}`,
      "",
      paint(36, `Balance: ${text(member(replies[3], "result", "mine", "trusted"))}`),
    );
  }
  lines.push("", `${paint(33, "Warnings: ")}${text(member(network, "warnings")) || "(none)"}`, "");
  return { code: 0, text: lines.join("\n") };
}
