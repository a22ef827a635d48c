import type { DemoPeer } from "../peer.ts";
import { until } from "../peer.ts";
import { Bars, chapter, dim, say } from "../terminal.ts";

interface Peer {
  readonly name: string;
  readonly standing: string;
  readonly connected: boolean;
}

/** They find each other: everyone makes a wallet, Alice makes one invitation, four friends follow it. */
export async function joinCircle(peers: readonly DemoPeer[]): Promise<void> {
  chapter("Five peers find each other by one invitation");
  for (const peer of peers) {
    await peer.api.post("/wallet/new", {});
    await peer.sharing();
  }
  const [host, ...guests] = peers as [DemoPeer, ...DemoPeer[]];
  const { link } = await host.api.post<{ link: string }>("/peers/invitations", {
    uses: guests.length,
    seconds: 3600,
  });
  say(`  ${host.name}: freehold peer invite --uses ${guests.length}`);
  say(`  ${dim(`${link.slice(0, 72)}…`)}`);
  const bars = new Bars(
    peers.map(({ name }) => name),
    peers.length - 1,
    "friends",
  );
  const friends = async (peer: DemoPeer) =>
    (await peer.api.get<readonly Peer[]>("/peers")).filter(
      ({ standing, connected }) => standing === "friend" && connected,
    ).length;
  for (const guest of guests) {
    await guest.api.post("/peers", { link });
    bars.show(await Promise.all(peers.map(friends)));
  }
  await until(async () => {
    const counts = await Promise.all(peers.map(friends));
    bars.show(counts);
    return counts.every((count) => count === peers.length - 1) ? true : undefined;
  }, "everyone to know everyone");
  bars.end();
  await until(async () => {
    const counts = await Promise.all(peers.map((peer) => peer.rpc<number>("getconnectioncount")));
    return counts.every((count) => count > 0) ? true : undefined;
  }, "their ledgers to connect");
  say(`  no server introduced them: each holds a certificate that ${host.name} signed`);
}
