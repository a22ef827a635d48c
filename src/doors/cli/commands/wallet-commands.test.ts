import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Command } from "commander";
import { API_COOKIE } from "../api-client.ts";
import type { BackgroundNode } from "../background-node.ts";
import { CliContext } from "../cli-context.ts";
import { walletCommands } from "./wallet-commands.ts";

/** A wallet that holds what was mined a moment ago, and nothing that may be spent beyond `trusted`. */
async function walletOf(t: TestContext, trusted: number) {
  const balance = { trusted, untrustedPending: 0, immature: 5_000_000_000, nonMempool: 0 };
  const server = createServer((request, response) => {
    const isQuote = request.url === "/api/wallet/quote";
    response.statusCode = isQuote ? 409 : 200;
    const wallet = { name: "freehold", encrypted: false, locked: false, balance, height: 1, transactions: 1 };
    response.end(JSON.stringify(isQuote ? { error: "Insufficient funds" } : wallet));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const folder = await mkdtemp(join(tmpdir(), "freehold-wallet-"));
  const { port } = server.address() as AddressInfo;
  await writeFile(join(folder, API_COOKIE), `http://127.0.0.1:${port}\ntoken\n`);
  t.after(async () => {
    server.close().closeAllConnections();
    await rm(folder, { recursive: true, force: true });
  });
  return async (...words: string[]) => {
    const program = new Command("freehold").exitOverride();
    walletCommands(program, new CliContext(() => ({ folder }) as BackgroundNode));
    await program.parseAsync(["wallet", ...words], { from: "user" });
  };
}

test("too little money is told of with what there is, and what is not ripe yet", async (t) => {
  const some = await walletOf(t, 700);
  await assert.rejects(some("send", "someone", "1btc", "--yes"), {
    message:
      "Insufficient funds: 700 sat to spend, 5,000,000,000 sat (50 BTC) mined, not yet 100 blocks deep",
  });
  const none = await walletOf(t, 0);
  await assert.rejects(none("send", "someone", "all", "--yes"), {
    message:
      "there is nothing to send: 0 sat to spend, 5,000,000,000 sat (50 BTC) mined, not yet 100 blocks deep",
  });
});

test("a number that makes no sense is told of by its option's name", async (t) => {
  const wallet = await walletOf(t, 0);
  await assert.rejects(wallet("history", "--limit", "many"), /^UsageError: --limit many: a whole number/);
  await assert.rejects(wallet("unlock", "--seconds", "0"), /^UsageError: --seconds 0: a whole number/);
});
