import { test } from "node:test";
import { sharingKills } from "../soak/sharing-kills.ts";

test("nothing acknowledged is lost when pairs of processes die at random instants", async (t) => {
  const seed = Number(process.env["FREEHOLD_KILLS_SEED"] ?? Date.now() % 1_000_000);
  const say = (line: string) => t.diagnostic(line);
  t.diagnostic(`seed ${seed}`);
  const report = await sharingKills({ kills: 6, seed, pairs: 3, hands: 1, say });
  t.diagnostic(JSON.stringify(report));
});
