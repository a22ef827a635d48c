import { Circle } from "#sharing/storage/files/test-circle.ts";
import { doorSuite } from "./test-support/door-suite.ts";
import { openDoorOver } from "./test-support/open-door.ts";

doorSuite("the S3 door over files at twelve hosts", async () => {
  const circle = await Circle.start({ hosts: 12, policy: { slabBytes: 1 << 20 } });
  const { files } = await circle.owner();
  return await openDoorOver(files, () => circle.stop());
});
