import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNetAddress } from "#protocol/wire/net-address.ts";
import {
  hasPermission,
  implicitPermissions,
  Permission,
  parseWhitebind,
  parseWhitelist,
  permissionNames,
  whitelistPermissions,
} from "./permissions.ts";
import { parseSubnet, subnetContains, subnetText } from "./subnet.ts";

test("subnets parse and match as Core's netbase_tests say", () => {
  const matches: [string, string, boolean][] = [
    ["1.2.3.0/24", "1.2.3.4", true],
    ["1.2.2.0/24", "1.2.3.4", false],
    ["1.2.3.4", "1.2.3.4", true],
    ["1.2.3.4/32", "1.2.3.4", true],
    ["1.2.3.4", "5.6.7.8", false],
    ["1.2.0.0/255.255.0.0", "1.2.3.4", true],
    ["1.2.3.4/0", "9.9.9.9", true],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8", true],
    ["1:2:3:4:5:6:7:0/112", "1:2:3:4:5:6:7:1234", true],
    ["1:2:3:4:5:6:7:0/112", "1:2:3:4:5:6:8:0", false],
    ["::/0", "1:2:3:4:5:6:7:1234", true],
    ["0.0.0.0/0", "1:2:3:4:5:6:7:1234", false],
  ];
  for (const [subnet, address, matched] of matches) {
    assert.equal(
      subnetContains(parseSubnet(subnet)!, parseNetAddress(address)!),
      matched,
      `${subnet} ${address}`,
    );
  }
  for (const text of [
    "",
    "1.2.3.4/33",
    "1.2.3.4/-1",
    "1.2.3.4/",
    "1.2.3.4/255.0.255.0",
    "1::/129",
    "fuzzy",
    "1.2.3/24",
  ]) {
    assert.equal(parseSubnet(text), undefined, text);
  }
  assert.equal(subnetText(parseSubnet("1.2.3.4/255.255.0.0")!), "1.2.0.0/16");
  assert.equal(subnetText(parseSubnet("1:2:3:4:5:6:7:8")!), "1:2:3:4:5:6:7:8/128");
});

test("whitelist entries parse as Core's, wrong ones name what is wrong", () => {
  assert.deepEqual(parseWhitelist("noban,relay@1.2.3.4/24"), {
    subnet: parseSubnet("1.2.3.0/24"),
    flags: Permission.NO_BAN | Permission.RELAY,
    inbound: true,
    outbound: false,
  });
  assert.deepEqual(parseWhitelist("1.2.3.4"), {
    subnet: parseSubnet("1.2.3.4"),
    flags: undefined,
    inbound: true,
    outbound: false,
  });
  const out = parseWhitelist("in,out,addr@1.2.3.4");
  assert.ok(!("error" in out) && out.inbound && out.outbound && out.flags === Permission.ADDR);
  assert.deepEqual(parseWhitelist("oops@1.2.3.4"), { error: "Invalid P2P permission: 'oops'" });
  assert.deepEqual(parseWhitelist("noban@1.2.3.4:32"), {
    error: "Invalid netmask specified in -whitelist: '1.2.3.4:32'",
  });
  assert.deepEqual(parseWhitebind("noban@1.2.3.4"), {
    error: "Need to specify a port with -whitebind: '1.2.3.4'",
  });
  const bind = parseWhitebind("all@1.2.3.4:8333");
  assert.ok(!("error" in bind) && bind.flags === Permission.ALL && bind.endpoint.port === 8333);
});

test("permissions imply others and print in Core's order", () => {
  assert.ok(hasPermission(Permission.NO_BAN, Permission.DOWNLOAD));
  assert.ok(hasPermission(Permission.FORCE_RELAY, Permission.RELAY));
  assert.ok(!hasPermission(Permission.RELAY, Permission.FORCE_RELAY));
  assert.deepEqual(permissionNames(Permission.ALL), [
    "bloomfilter",
    "noban",
    "forcerelay",
    "relay",
    "mempool",
    "download",
    "addr",
  ]);
  assert.deepEqual(permissionNames(implicitPermissions(true, false)), [
    "noban",
    "relay",
    "mempool",
    "download",
  ]);
});

test("all entries that match add up, bare ones with what is implied", () => {
  const entries = ["1.2.3.4", "addr@1.2.0.0/16", "out,relay@1.2.3.4"].map((text) => {
    const entry = parseWhitelist(text);
    if ("error" in entry) throw new Error(entry.error);
    return entry;
  });
  const address = parseNetAddress("1.2.3.4")!;
  const flags = whitelistPermissions(entries, address, "inbound", Permission.MEMPOOL);
  assert.deepEqual(permissionNames(flags), ["mempool", "addr"]);
  assert.deepEqual(permissionNames(whitelistPermissions(entries, address, "outbound", Permission.MEMPOOL)), [
    "relay",
  ]);
});
