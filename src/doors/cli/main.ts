/** bitcoin-cli as a program. */
import { enableCompileCache } from "node:module";
import { runBitcoinCli } from "./bitcoin-cli.ts";

enableCompileCache();

const { code, text } = await runBitcoinCli(process.argv.slice(2), "Freehold RPC client version v0.1.0");
(code === 0 ? process.stdout : process.stderr).write(text, () => process.exit(code));
