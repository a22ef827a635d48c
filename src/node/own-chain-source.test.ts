import { chainSourceSuite } from "#money/ports/chain-source-suite.ts";
import { OwnChainWorld } from "./own-chain-world.ts";

chainSourceSuite("own chain", () => OwnChainWorld.open());
