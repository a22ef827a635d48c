import assert from "node:assert/strict";
import { test } from "node:test";
import { DecodeError } from "#base/lib/decode-error.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { parseNetAddress } from "#protocol/wire/net-address.ts";
import { BanList } from "./ban-list.ts";
import { parseSubnet } from "./subnet.ts";

function list(): { bans: BanList; clock: { now: number }; saves: { count: number } } {
  const clock = { now: 1000 };
  const bans = new BanList({ random: new SeededRandom(1), now: () => clock.now });
  const saves = { count: 0 };
  bans.changed.on(() => {
    saves.count++;
  });
  return { bans, clock, saves };
}

test("a ban holds until its time, and a shorter one does not end it", async () => {
  const { bans, clock, saves } = list();
  await bans.ban(parseSubnet("1.2.0.0/16")!, 2000);
  await bans.ban(parseSubnet("1.2.0.0/16")!, 1500);
  assert.ok(bans.isBanned(parseNetAddress("1.2.3.4")!));
  assert.ok(!bans.isBanned(parseNetAddress("1.3.3.4")!));
  assert.equal(saves.count, 1);
  clock.now = 1999;
  assert.ok(bans.isBanned(parseNetAddress("1.2.3.4")!));
  clock.now = 2000;
  assert.ok(!bans.isBanned(parseNetAddress("1.2.3.4")!));
  clock.now = 2001;
  assert.deepEqual(bans.entries(), []);
});

test("banlist.json is Core's, both ways", async () => {
  const { bans } = list();
  await bans.ban(parseSubnet("fe80::/10")!, 4000);
  await bans.ban(parseSubnet("1.2.3.4")!, 3000);
  assert.deepEqual(JSON.parse(bans.encode()), {
    banned_nets: [
      { version: 1, ban_created: 1000, banned_until: 3000, address: "1.2.3.4/32" },
      { version: 1, ban_created: 1000, banned_until: 4000, address: "fe80::/10" },
    ],
  });
  const other = list().bans;
  other.load(bans.encode());
  assert.deepEqual(other.entries(), bans.entries());
  // Entries from later versions are passed over (banman_tests).
  const third = list().bans;
  third.load(
    '{"banned_nets":[{"version":1,"ban_created":0,"banned_until":2000,"address":"aaaaaaaaa"},' +
      '{"version":2,"ban_created":0,"banned_until":2000,"address":"bbbbbbbbb"},' +
      '{"version":1,"ban_created":0,"banned_until":2000,"address":"1.0.0.0/8"}]}',
  );
  assert.deepEqual(
    third.entries().map(({ address }) => address),
    ["1.0.0.0/8"],
  );
  for (const text of ["", "[]", "null", '{"banned_nets":[{"version":1}]}']) {
    assert.throws(() => list().bans.load(text), DecodeError, text);
  }
});

test("discouragement is remembered apart from bans", async () => {
  const { bans, saves } = list();
  const address = parseNetAddress("9.8.7.6")!;
  bans.discourage(address);
  assert.ok(bans.isDiscouraged(address));
  assert.ok(!bans.isBanned(address));
  assert.ok(!bans.isDiscouraged(parseNetAddress("9.8.7.5")!));
  assert.equal(await bans.unban(parseSubnet("9.8.7.6")!), false);
  assert.equal(saves.count, 0);
});
