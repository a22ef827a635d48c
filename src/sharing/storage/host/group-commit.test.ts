import assert from "node:assert/strict";
import { test } from "node:test";
import { GroupCommit } from "./group-commit.ts";

test("what comes while one group is performed makes the next", async () => {
  const groups: (readonly number[])[] = [];
  const gates: PromiseWithResolvers<void>[] = [];
  const commits = new GroupCommit<number>((items) => {
    groups.push(items);
    gates.push(Promise.withResolvers());
    return gates.at(-1)!.promise;
  });
  const done: number[] = [];
  const add = (...items: number[]) => commits.add(...items).then(() => void done.push(...items));
  const first = add(1);
  const rest = [add(2), add(3, 4), add(5)];
  assert.deepEqual(groups, [[1]], "the first waits for nobody");
  gates[0]!.resolve();
  await first;
  assert.deepEqual(done, [1]);
  assert.deepEqual(groups, [[1], [2, 3, 4, 5]]);
  gates[1]!.resolve();
  await Promise.all(rest);
  assert.deepEqual(done, [1, 2, 3, 4, 5]);
});

test("a group that fails rejects its callers alone", async () => {
  const commits = new GroupCommit<string>(async (items) => {
    if (items.includes("bad")) throw new Error("no");
  });
  const [before, bad, beside] = [commits.add("a"), commits.add("bad"), commits.add("b")];
  const refused = [assert.rejects(bad, /no/), assert.rejects(beside, /no/)];
  await before;
  await Promise.all(refused);
  await commits.add("c");
});
