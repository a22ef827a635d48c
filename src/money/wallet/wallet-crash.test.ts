import { test } from "node:test";
import { sufferWalletCuts } from "../../../test/crash/wallet-cuts.ts";

// In full: npm run soak -- wallet. Under 86 a cut keeps a block's transactions without the block, which is then dropped.
for (const seed of [1, 2, 3, 4, 86]) {
  test(`wallet ${seed} keeps its word through three power cuts`, { timeout: 60_000 }, () =>
    sufferWalletCuts(seed, 3),
  );
}
