import { test } from "node:test";
import { interruptStory } from "../support/telling.ts";

for (const moment of ["owned, not rented", "Carol mines", "Bob stores"]) {
  test(`npm start, interrupted after "${moment}", leaves nothing behind`, async () => {
    await interruptStory((story) => story.said(moment));
  });
}
