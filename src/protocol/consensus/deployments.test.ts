import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHexReversed } from "#base/lib/bytes.ts";
import { main, regtest, testnet3 } from "#protocol/bitcoin/networks.ts";
import { firstHeader } from "../../../test/support/test-header.ts";
import { isActive, isActiveAfter, isActiveAt, scriptFlagsFor } from "./deployments.ts";
import { scriptFlagNames } from "./script-flags.ts";
import { VersionbitsCache } from "./versionbits.ts";

const OTHER: Uint8Array = new Uint8Array(32).fill(9);
const flags = (network: typeof main, height: number, hash = OTHER) =>
  scriptFlagNames(scriptFlagsFor(network, hash, height)).join(" ");

test("main's script flags by height", () => {
  assert.equal(flags(main, 1), "P2SH WITNESS TAPROOT");
  assert.equal(flags(main, 363_724), "P2SH WITNESS TAPROOT");
  assert.equal(flags(main, 363_725), "P2SH DERSIG WITNESS TAPROOT");
  assert.equal(flags(main, 388_381), "P2SH DERSIG CHECKLOCKTIMEVERIFY WITNESS TAPROOT");
  const csv = "P2SH DERSIG CHECKLOCKTIMEVERIFY CHECKSEQUENCEVERIFY WITNESS TAPROOT";
  assert.equal(flags(main, 419_328), csv);
  assert.equal(flags(main, 481_823), csv);
  const all = "P2SH DERSIG NULLDUMMY CHECKLOCKTIMEVERIFY CHECKSEQUENCEVERIFY WITNESS TAPROOT";
  assert.equal(flags(main, 481_824), all);
  assert.equal(flags(regtest(), 1), all);
});

test("the blocks that broke a rule before it came keep their own flags", () => {
  const bip16 = fromHexReversed("00000000000002dc756eebf4f49723ed8d30cc28a5f108eb94b1ba88ac4f9c22")!;
  assert.equal(flags(main, 170_060, bip16), "");
  const taproot = fromHexReversed("0000000000000000000f14c35b2d841e986ab5441de8c585d5ffe55ea1e395ad")!;
  assert.equal(
    flags(main, 692_261, taproot),
    "P2SH DERSIG NULLDUMMY CHECKLOCKTIMEVERIFY CHECKSEQUENCEVERIFY WITNESS",
  );
  const testnet = fromHexReversed("00000000dd30457c001f4095d208cc1296b0eed002427aa599874af7a432b105")!;
  assert.equal(flags(testnet3, 514, testnet), "");
});

test("buried deployments hold from their height, in the block and after its parent", () => {
  assert.equal(isActiveAt(main, 227_930, "bip34"), false);
  assert.equal(isActiveAt(main, 227_931, "bip34"), true);
  assert.equal(isActiveAfter(main, firstHeader({}, 227_929), "bip34"), false);
  assert.equal(isActiveAfter(main, firstHeader({}, 227_930), "bip34"), true);
  assert.equal(isActiveAfter(regtest(), null, "segwit"), true, "regtest's genesis has segwit");
  assert.equal(isActiveAfter(regtest(), null, "csv"), false);
});

test("one question for both kinds", () => {
  const cache = new VersionbitsCache(regtest({ deployments: { testdummy: { startTime: -1 } } }));
  assert.equal(isActive(cache, null, "segwit"), true);
  assert.equal(isActive(cache, null, "bip65"), false);
  assert.equal(isActive(cache, null, "testdummy"), true);
  assert.equal(isActive(new VersionbitsCache(regtest()), null, "testdummy"), false);
});
