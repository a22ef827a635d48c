import { chainSourceSuite } from "#money/ports/test-support/chain-source-suite.ts";
import { OwnChainWorld } from "./test-support/own-chain-world.ts";

chainSourceSuite("own chain", () => OwnChainWorld.open());
