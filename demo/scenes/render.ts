import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { DemoPeer } from "../peer.ts";
import { until } from "../peer.ts";
import { buildScene } from "../scene/build-scene.ts";
import { TAMPERING_TEXT, type Tampering } from "../tampering.ts";
import { Bars, chapter, dim, green, orange, say } from "../terminal.ts";

const SIZE = "480x270";
const SAMPLES = 32;

interface Job {
  readonly id: string;
  readonly state: string;
  readonly reason?: string;
  readonly outputs?: string;
  readonly tasks: readonly {
    readonly state: string;
    readonly provider?: string;
    readonly providerName?: string;
    readonly attempts: readonly { readonly provider: string; readonly outcome: string }[];
  }[];
}

interface Peer {
  readonly connected: boolean;
  readonly offers: Readonly<Record<string, unknown>>;
}

interface Receipt {
  readonly peer: string;
  readonly what: string;
}

/** Erin renders over everybody's machines; the tampered one is caught and gets no receipt. */
export async function render(
  erin: DemoPeer,
  helpers: readonly DemoPeer[],
  cheat: DemoPeer,
  tampering: Tampering,
): Promise<string> {
  chapter(`${erin.name} renders a picture on everybody's machines`);
  if (cheat.isRunning) await cheat.stop();
  await cheat.start(tampering);
  await cheat.sharing();
  say(dim(`  ${cheat.name} runs a program that ${TAMPERING_TEXT[tampering]}, and says nothing`));
  const lenders = [...helpers, cheat];
  for (const peer of lenders) await peer.api.post("/provider/start", {});
  // The cheat has just come back: a render that it sees nothing of would prove nothing.
  await until(async () => {
    const peers = await erin.api.get<readonly Peer[]>("/peers");
    const offering = peers.filter(({ connected, offers }) => connected && "compute" in offers);
    return offering.length === lenders.length ? true : undefined;
  }, "their offers of machines");
  const scene = join(erin.folder, "still-life.glb");
  await writeFile(scene, await buildScene());
  const started = Date.now();
  const [width, height] = SIZE.split("x").map(Number);
  const { id } = await erin.api.post<Job>("/jobs/render", { scene, width, height, samples: SAMPLES });
  let bars: Bars | undefined;
  const job = await until(
    async () => {
      const now = await erin.api.get<Job>(`/jobs/${id}`);
      bars ??= new Bars(["tiles"], now.tasks.length, "verified");
      bars.show([now.tasks.filter(({ state }) => state === "verified").length]);
      if (now.state === "failed" || now.state === "cancelled")
        throw new Error(`the render ${now.state}: ${now.reason}`);
      return now.state === "done" ? now : undefined;
    },
    "the picture",
    120,
  );
  bars?.end();
  const by = new Map<string, number>();
  for (const { providerName = "?" } of job.tasks) by.set(providerName, (by.get(providerName) ?? 0) + 1);
  say(
    `  ${[...by].map(([name, tiles]) => `${name} ${tiles}`).join(", ")}, in ${((Date.now() - started) / 1000).toFixed(1)} s`,
  );
  await tellOfCheat(erin, cheat, job);
  const picture = join(job.outputs ?? "", "picture.png");
  say(`  ${green("the picture")}: ${picture}`);
  return picture;
}

/** How an attempt's outcome begins where it was false. */
const CAUGHT = "caught: ";

async function tellOfCheat(erin: DemoPeer, cheat: DemoPeer, job: Job): Promise<void> {
  const peer = await cheat.sharing();
  const caught = job.tasks
    .flatMap(({ attempts }) => attempts)
    .filter(({ provider, outcome }) => provider === peer && outcome.startsWith(CAUGHT));
  if (job.tasks.some(({ provider }) => provider === peer)) throw new Error(`${cheat.name} was believed`);
  const receipts = await erin.api.get<readonly Receipt[]>("/receipts?service=compute&limit=500");
  const paid = receipts.filter((receipt) => receipt.peer === peer).length;
  if (paid > 0) throw new Error(`${cheat.name} got ${paid} receipts`);
  const [first] = caught;
  if (first !== undefined) {
    const reason = first.outcome.slice(CAUGHT.length);
    return say(`  ${orange(`${cheat.name} was caught`)}: ${reason}; no receipt, no more tasks`);
  }
  // It was given tasks and brought none in time, so others did them.
  const { funnel } = await cheat.api.get<{ funnel: Readonly<Record<string, number>> }>("/provider");
  if ((funnel["seen"] ?? 0) === 0) throw new Error(`${cheat.name} was given no task`);
  say(`  ${orange(`${cheat.name} was too late`)}: others did its tiles; no receipt`);
}
