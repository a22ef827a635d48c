/** bitcoin-cli as a program. */
import { enableCompileCache } from "node:module";
import { VERSION } from "#node/config/version.ts";
import { runBitcoinCli } from "./bitcoin-cli.ts";

enableCompileCache();

const { code, stdout, stderr } = await runBitcoinCli(
  process.argv.slice(2),
  `Freehold RPC client version v${VERSION}`,
  (text) => process.stderr.write(`${text}\n`),
);
process.stdout.write(stdout, () => process.stderr.write(stderr, () => process.exit(code)));
