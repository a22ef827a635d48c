import { chainSourceSuite } from "./chain-source-suite.ts";
import { MemoryChain } from "./memory-chain.ts";

chainSourceSuite("chain in memory", async () => new MemoryChain(120));
