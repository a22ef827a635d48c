import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "#base/lib/bytes.ts";
import { ManualClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { FaultWorld } from "#base/store/fault-world.ts";
import { certifyMember, circleId } from "./certificates.ts";
import { Circles } from "./circles.ts";
import { accountIdOf, signingKeyFrom } from "./identity.ts";
import { PeerLink } from "./peer-link.ts";
import { accept, type Outcome } from "./protocol.ts";
import { type RemovalList, signRemovals } from "./removal-list.ts";
import { RemovalNews } from "./removal-news.ts";

const random = new SeededRandom(13);

test("a founder that signs lists without end is asked for a few, and the last of them comes through", async () => {
  const clock = new ManualClock(1e12);
  const [founder, self] = [1, 2].map(() => signingKeyFrom(random.fill(new Uint8Array(32)))) as [
    ReturnType<typeof signingKeyFrom>,
    ReturnType<typeof signingKeyFrom>,
  ];
  const nonce = new Uint8Array(16).fill(1);
  const { files } = new FaultWorld();
  const circles = await Circles.open({ directory: "/mesh", account: self }, { files, clock, random });
  await circles.learn([certifyMember(founder, nonce, self.publicKey, 1)], true);
  const link = new PeerLink("founder's device", { clock });
  let newest: RemovalList | undefined;
  let asked = 0;
  let told = 0;
  const call = async (): Promise<Outcome<unknown>> => {
    asked++;
    return accept({ list: newest!.signed });
  };
  const news = new RemovalNews({
    circles,
    clock,
    logger: silentLogger,
    mesh: {
      call: call as never,
      accountOf: () => accountIdOf(founder.publicKey),
      removalsRate: () => link.removals,
      misbehaved: (_peer, reason) => assert.fail(reason),
      trustChanged: () => {},
      tellAll: () => void told++,
    },
  });
  const circle = hex(circleId({ founder: founder.publicKey, nonce }));
  const idle = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
  };
  const removed = new Map([["ab".repeat(32), 5]]);
  for (let version = 1; version <= 50; version++) {
    newest = signRemovals(founder, nonce, version, removed);
    news.heard(link.peer, [{ circle, version, digest: newest.digest }]);
    await idle();
  }
  assert.equal(asked, 8);
  assert.equal(told, 8);
  for (let i = 0; i < 3; i++) {
    clock.advance(5000);
    await idle();
  }
  assert.ok(asked <= 10, `${asked} times`);
  assert.equal(circles.circle({ founder: founder.publicKey, nonce })?.removals?.version, 50);
});
