/** A peer of the storage path: mesh over loopback, deals among friends; a host of shards where it is told to be. */
import { mkdir } from "node:fs/promises";
import { systemClock } from "#base/lib/clock.ts";
import { silentLogger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { DealBook } from "#sharing/deals/deal-book.ts";
import { FreeRail } from "#sharing/deals/free-rail.ts";
import { Libp2pMesh } from "#sharing/mesh/libp2p-mesh.ts";
import { StorageHost } from "#sharing/storage/host/storage-host.ts";

export async function openPeer(directory: string, name: string, ip: string) {
  await mkdir(directory, { recursive: true });
  const mesh = await Libp2pMesh.open(
    {
      ...{ directory, name, listen: [`/ip4/${ip}/tcp/0`] },
      accountSecret: secureRandom.fill(new Uint8Array(32)),
    },
    { files: nodeDisk.files, clock: systemClock, random: secureRandom, logger: silentLogger },
  );
  const deals = await DealBook.open({
    ...{ mesh, disk: nodeDisk, folder: `${directory}/deals`, clock: systemClock, random: secureRandom },
    log: silentLogger,
    rails: [new FreeRail((peer) => mesh.view(peer)?.standing === "friend")],
  });
  return { mesh, deals };
}

/** Hosts in this process; each on a network of its own, as the rule of diversity asks. */
async function host(directory: string, link: string, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { mesh, deals } = await openPeer(`${directory}/host-${i}`, `host ${i}`, `127.1.${i}.1`);
    deals.sell("storage", { service: "storage", prices: {} });
    const store = new StorageHost({
      ...{ mesh, deals, disk: nodeDisk, folder: `${directory}/host-${i}/shards`, clock: systemClock },
      ...{ random: secureRandom, log: silentLogger, limitBytes: 16 * 2 ** 30 },
    });
    await store.start();
    const joined = await mesh.acceptInvitation(link);
    if (!joined.ok) throw new Error(joined.refusal.text);
  }
  process.stdout.write("ready\n");
  process.stdin.on("end", () => process.exit(0)).resume();
}

if (process.argv[2] === "--hosts") {
  const [, , , directory, link, count] = process.argv;
  await host(directory!, link!, Number(count));
}
