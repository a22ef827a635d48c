import assert from "node:assert/strict";
import { test } from "node:test";
import { splitArguments } from "./split-arguments.ts";

const split = (line: string) => {
  const { own, daemon } = splitArguments(line.split(" "));
  return [own.join(" "), daemon.join(" ")];
};

test("the daemon's options are told from those of freehold", () => {
  const cases: [string, string, string][] = [
    ["start -dbcache=4 --datadir /x", "start --datadir /x", "-dbcache=4"],
    ["start --regtest --name=Bob --json", "start --json", "-regtest -name=Bob"],
    ["start --name Bob --nomdns", "start", "-name=Bob -nomdns"],
    ["--regtest start --sharing=0", "start", "-regtest -sharing=0"],
    ["start --network regtest", "start --network regtest", ""],
    ["start --nonsense", "start --nonsense", ""],
    ["status --regtest --rpcport=5", "status", "-regtest -rpcport=5"],
    // Another command's own options, though the daemon has one of that name.
    ["wallet send x --fee-rate 3 --name y", "wallet send x --fee-rate 3 --name y", ""],
    ["run a.wasm -- -x --regtest", "run a.wasm -- -x --regtest", ""],
    ["peers -regtest", "peers", "-regtest"],
  ];
  for (const [line, own, daemon] of cases) assert.deepEqual(split(line), [own, daemon], line);
});
