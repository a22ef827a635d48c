import { doorSuite } from "./test-support/door-suite.ts";
import { openDoor } from "./test-support/open-door.ts";

doorSuite("the S3 door over a store in memory", openDoor);
