import { meshSuite } from "./mesh-suite.ts";
import { socketWorld } from "./mesh-world.ts";

meshSuite("libp2p", (context, errors) => socketWorld(context, errors));
