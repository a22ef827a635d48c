/** Worlds for the suite of the mesh: peers that are friends, in memory or over sockets of this machine. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Clock, systemClock } from "#base/lib/clock.ts";
import { type Logger, silentLogger } from "#base/lib/logger.ts";
import { secureRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { Libp2pMesh, type Libp2pMeshOptions } from "./libp2p-mesh.ts";
import { MemoryNetwork } from "./memory-mesh.ts";
import type { Mesh, PeerId } from "./mesh.ts";

export interface MeshWorld {
  /** Peers that are friends and know each other. */
  friends(count: number): Promise<readonly Mesh[]>;
  /** A peer that `of` can reach, and is nobody's friend. */
  stranger(of: Mesh): Promise<Mesh>;
  /** Takes a peer away at once. */
  kill(mesh: Mesh): Promise<void>;
}

/** Errors that a part logged: a test that did not expect any fails on them. */
export class LoggedErrors implements Logger {
  readonly errors: string[] = [];
  info(): void {}
  warn(): void {}
  debug(): void {}
  error(text: string): void {
    this.errors.push(text);
  }
}

export function memoryWorld(logger: Logger = silentLogger): MeshWorld {
  const network = new MemoryNetwork({ logger });
  return {
    friends: async (count) => Array.from({ length: count }, () => network.join()),
    stranger: async () => network.join({ circle: undefined }),
    kill: async (mesh) => network.kill(mesh.self),
  };
}

/** A mesh over sockets with everything of its own in a folder that goes with the test. */
export async function openTestMesh(
  context: TestContext,
  options: Partial<Libp2pMeshOptions> = {},
  logger: Logger = silentLogger,
  clock: Clock = systemClock,
): Promise<Libp2pMesh> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "freehold-mesh-")));
  const mesh = await Libp2pMesh.open(
    {
      directory,
      accountSecret: secureRandom.fill(new Uint8Array(32)),
      name: "test",
      listen: ["/ip4/127.0.0.1/tcp/0"],
      ...options,
    },
    { files: nodeDisk.files, clock, random: secureRandom, logger },
  );
  context.after(async () => {
    await mesh.close();
    if (options.directory === undefined) await rm(directory, { recursive: true, force: true });
  });
  return mesh;
}

export function socketWorld(context: TestContext, logger: Logger = silentLogger): MeshWorld {
  const open = (): Promise<Libp2pMesh> => openTestMesh(context, {}, logger);
  return {
    async friends(count) {
      const founder = await open();
      const meshes = [founder];
      const { link } = await founder.createInvitation({ uses: Math.max(1, count), seconds: 600 });
      while (meshes.length < count) {
        const mesh = await open();
        const joined = await mesh.acceptInvitation(link);
        if (!joined.ok) throw new Error(joined.refusal.text);
        meshes.push(mesh);
      }
      for (const mesh of meshes) {
        for (const other of meshes) if (other !== mesh) await connected(mesh, other.self);
      }
      return meshes;
    },
    async stranger(of) {
      const mesh = await open();
      // It knows the address and is trusted by nobody there.
      const added = await mesh.addPeer(addressOf(of as Libp2pMesh));
      if (!added.ok) throw new Error(added.refusal.text);
      return mesh;
    },
    kill: (mesh) => (mesh as Libp2pMesh).close(),
  };
}

/** Where a mesh listens, with its peer id. */
export function addressOf(mesh: Libp2pMesh): string {
  return `${mesh.listening[0]}/p2p/${mesh.self}`;
}

/** Waits until a peer is connected to a friend. */
export async function connected(mesh: Mesh, peer: PeerId, standing = "friend"): Promise<void> {
  const is = (): boolean => {
    const view = mesh.view(peer);
    return view?.connected === true && view.standing === standing;
  };
  while (!is()) await mesh.changed.next();
}

/** Waits for something that no event tells of, looking again and again. @throws Error after half a minute */
export async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 30_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`it did not come to this: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
