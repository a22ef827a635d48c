import { readFileSync } from "node:fs";
import { systemClock } from "#base/lib/clock.ts";
import { SeededRandom } from "#base/lib/random.ts";
import { RenderKind } from "#sharing/compute/core/render/render-kind.ts";
import type { RunResult, RunTask } from "#sharing/compute/core/task-runner.ts";
import { echoKernel } from "#sharing/compute/core/test-modules.ts";
import { WasmPool } from "#sharing/compute/runtimes/wasm/wasm-pool.ts";
import { ScenePacker } from "#sharing/compute/scene-packer.ts";
import {
  type ComputePeer,
  ComputeWorld,
  DirectRunner,
  MapContents,
  putFile,
  TRACER,
} from "#sharing/compute/test-world.ts";
import { buildScene } from "../../demo/scene/build-scene.ts";

export const name = "compute: an empty task, tiles a second, the first verified tile, the cost of verifying";

const EMPTY = echoKernel(0);
const LIMITS = { memoryBytes: 2 ** 20, outputBytes: 1024, traceBytes: 0, milliseconds: 10_000 };

/** Of a second, as Linux counts CPU. */
const TICKS = 100;

/** Owners that take turns. */
const OWNERS = 20;

/** Tiles after which all processes have started and compiled. */
const SETTLED = 10;

function emptyTask(owner: string): RunTask {
  return {
    owner,
    code: { id: "empty", bytes: async () => EMPTY },
    inputs: [],
    params: new Uint8Array(0),
    seed: new Uint8Array(32),
    limits: LIMITS,
  };
}

function quantiles(times: number[]): string {
  const sorted = times.sort((a, b) => a - b);
  const at = (share: number): string =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!.toFixed(2);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}

async function timed(count: number, action: (i: number) => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await action(i);
    times.push(performance.now() - began);
  }
  return times;
}

async function emptyTasks(): Promise<void> {
  const never = new AbortController().signal;
  const pool = new WasmPool({ lanes: 1 }, { clock: systemClock });
  pool.warm();
  await pool.run(emptyTask("first"), never);
  const again = await timed(1000, () => pool.run(emptyTask("first"), never));
  console.log(`an empty task in a child of its owner: ${quantiles(again)}`);
  const spares: number[] = [];
  for (let i = 0; i < OWNERS; i++) {
    // A spare is ready, as it is where owners take turns no faster than children start.
    await pool.ready();
    spares.push(...(await timed(1, () => pool.run(emptyTask(`owner ${i}`), never))));
  }
  console.log(`an empty task of another owner, in a spare child: ${quantiles(spares)} (${OWNERS} owners)`);
  await pool.close();
}

async function renders(args: readonly string[]): Promise<void> {
  const [width = 640, height = 360, samples = 64] = args.map(Number);
  const closers: (() => unknown)[] = [];
  const world = new ComputeWorld({ after: (close) => void closers.push(close as () => unknown) });
  const pools = [0, 1].map(() => new WasmPool({ lanes: 1 }, { clock: systemClock }));
  const [theirs, ours] = pools as [WasmPool, WasmPool];
  for (const pool of pools) pool.warm();
  await world.join({ runner: theirs });
  const packer = new ScenePacker();
  const pack = (glb: Uint8Array) => packer.pack(glb);
  const erin = await world.join({ lends: false, runner: ours, requester: { lanes: 0 }, pack });
  closers.push(() => packer.close());
  const scene = await putFile(erin, "scene.glb", await buildScene());
  const settings = { width, height, samples, seed: 1 };
  // A provider was switched on some time ago: its children are there.
  for (const pool of pools) await pool.ready();
  const { first, all, tiles, start } = await renderOnce(erin, settings, scene, () => cpuOf(ours));
  console.log(`${width}×${height} at ${samples} samples, one provider with one lane, cold: ${tiles} tiles`);
  const [work, checks] = [cpuOf(theirs), cpuOf(ours)];
  console.log(
    `  the first verified tile after ${first.toFixed(0)} ms (aim 2,000), all after ${all.toFixed(0)} ms`,
  );
  console.log(
    `  CPU of the children: rendering ${work.toFixed(1)} s, checking ${checks.toFixed(2)} s, ` +
      `${start.toFixed(2)} s of it up to the ${SETTLED}th tile (starts, compiling): ` +
      `${((100 * (checks - start) * tiles) / ((tiles - SETTLED) * work)).toFixed(2)}% from there on (aim 2%)`,
  );
  console.log(
    `  ${((1000 * tiles) / all).toFixed(1)} tiles/s, ${((width * height * samples) / all).toFixed(0)} Ksamples/s`,
  );
  for (const close of closers.reverse()) await close();
  for (const pool of pools) await pool.close();
}

/** Seconds of CPU that a pool's children have used: the clock's, whatever else the machine does. */
function cpuOf(pool: WasmPool): number {
  let ticks = 0;
  for (const pid of pool.processes) {
    const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS;
}

/** CPU of rendering a tile and of checking it, in this process: what others do meanwhile does not count. */
async function verifyingCost(samples: number): Promise<void> {
  const scene = await buildScene();
  const kind = new RenderKind(TRACER);
  const contents = new MapContents();
  const content = () => contents.add(scene);
  const file = { name: "scene.glb", length: scene.length, bytes: async () => scene, content };
  const settings = { width: 640, height: 360, samples, seed: 1 };
  const split = await kind.split(settings, [file], contents);
  if (!split.ok) throw new Error(split.reason);
  // Two, as others' tasks and our checks run in different processes.
  const [theirs, ours] = [new DirectRunner(), new DirectRunner()];
  const random = new SeededRandom(1);
  const shares: number[] = [];
  for (const task of split.plan.tasks.slice(20, 29)) {
    const run = async (runner: DirectRunner, params: Uint8Array): Promise<RunResult> => {
      const read = ({ id }: { id: string }) => ({ id, bytes: () => contents.read(id) });
      const { spec } = task;
      const whole = { ...spec, owner: "self", code: read(spec.code), inputs: spec.inputs.map(read), params };
      const outcome = await runner.run({ ...whole, reuse: runner === ours }, new AbortController().signal);
      if (!outcome.ok) throw new Error(outcome.failure.text);
      return outcome.value;
    };
    const before = process.cpuUsage();
    const result = await run(theirs, task.spec.params);
    const work = cpuSince(before);
    const start = process.cpuUsage();
    const challenge = kind.challenge(settings, task, random);
    const leaf = (at: number) => result.trace.subarray(at * result.leafLength, (at + 1) * result.leafLength);
    const leaves = new Map(challenge.picks.map((pick) => [pick.leaf, leaf(pick.leaf)]));
    const evidence = { output: result.output, leafCount: result.trace.length / result.leafLength, leaves };
    const verdict = await kind.verify(
      settings,
      task,
      evidence,
      challenge,
      async (params) => (await run(ours, params)).output,
    );
    if (!verdict.ok) throw new Error(verdict.reason);
    shares.push((100 * cpuSince(start)) / work);
  }
  shares.sort((a, b) => a - b);
  console.log(
    `verifying a tile of ${samples} samples: ${shares[4]!.toFixed(2)}% of the CPU of rendering it (aim 2%)`,
  );
}

function cpuSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

async function renderOnce(
  erin: ComputePeer,
  settings: object,
  scene: string,
  checkingCpu: () => number,
): Promise<{ first: number; all: number; tiles: number; start: number }> {
  const began = performance.now();
  let first = 0;
  let start = 0;
  let verified = 0;
  erin.requester.events.on((event) => {
    if (event.type !== "task" || event.task.state !== "verified") return;
    verified++;
    if (verified === 1) first = performance.now() - began;
    if (verified === SETTLED) start = checkingCpu();
  });
  const taken = await erin.requester.submit("render", settings, [scene]);
  if (!taken.ok) throw new Error(taken.reason);
  const job = (await erin.requester.ended(taken.value.id))!;
  if (job.state !== "done") throw new Error(job.reason);
  return { first, all: performance.now() - began, tiles: job.tasks.length, start };
}

/** `npm run bench -- compute [width height samples]`: empty tasks only without arguments. Ksamples/s of the kernel alone: `tracer`. */
export async function run(args: readonly string[]): Promise<void> {
  // Children and the clock's timers keep no process up.
  const alive = setInterval(() => {}, 1000);
  if (args.length === 0) await emptyTasks();
  await renders(args);
  for (const samples of [64, 256]) await verifyingCost(samples);
  clearInterval(alive);
}
