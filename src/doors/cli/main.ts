/** bitcoin-cli as a program. The cache comes first, so that all that follows is compiled once and not each time. */
import { enableCompileCache } from "node:module";

enableCompileCache();
const { VERSION } = await import("#node/config/version.ts");
const { runBitcoinCli } = await import("./bitcoin-cli.ts");

const { code, stdout, stderr } = await runBitcoinCli(
  process.argv.slice(2),
  `Freehold RPC client version v${VERSION}`,
  (text) => process.stderr.write(`${text}\n`),
);
process.stdout.write(stdout, () => process.stderr.write(stderr, () => process.exit(code)));
