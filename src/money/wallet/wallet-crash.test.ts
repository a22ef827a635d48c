import { test } from "node:test";
import { sufferWalletCuts } from "../../../test/crash/wallet-cuts.ts";

// In full: npm run soak -- wallet
for (let seed = 1; seed <= 4; seed++) {
  test(`wallet ${seed} keeps its word through three power cuts`, { timeout: 60_000 }, () =>
    sufferWalletCuts(seed, 3),
  );
}
