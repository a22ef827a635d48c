/** Follows a job on the terminal until it ends: tiles as they are verified, who did how many, who was caught. */
import { PNG } from "pngjs";
import type { JobView, SharingEvent, TaskView } from "#doors/api/sharing-control.ts";
import type { ApiClient } from "../api-client.ts";
import { type ColourDepth, colourDepth, Mosaic } from "../mosaic.ts";
import { bar } from "../progress-line.ts";

/** Rows left free below the picture. */
const SPARE_ROWS = 6;
/** Between two looks at the job, for what the stream of events may have missed; milliseconds. */
const LOOK = 1000;
/** Tiles that are decoded at a time. */
const MAX_TILE_BYTES = 2 ** 22;

/** Resolves with the job when it has ended. Nothing is shown where standard error is no terminal. */
export async function followJob(api: ApiClient, job: JobView): Promise<JobView> {
  const screen = new JobScreen(api, job);
  const stop = new AbortController();
  const looking = setInterval(() => void look(), LOOK);
  const { promise, resolve, reject } = Promise.withResolvers<JobView>();
  const look = async (): Promise<void> => {
    try {
      const now = await api.get<JobView>(`/jobs/${job.id}`);
      screen.update(now.tasks);
      if (isOver(now)) resolve(now);
    } catch (error) {
      reject(error as Error);
    }
  };
  void followEvents(api, job.id, stop.signal, screen, () => void look());
  await look();
  try {
    const ended = await promise;
    await screen.end(ended);
    return ended;
  } finally {
    clearInterval(looking);
    stop.abort();
    screen.close();
  }
}

function isOver({ state }: JobView): boolean {
  return state === "done" || state === "failed" || state === "cancelled";
}

/** The stream makes it lively; a node that closes it is still asked now and then. */
async function followEvents(
  api: ApiClient,
  id: string,
  signal: AbortSignal,
  screen: JobScreen,
  over: () => void,
): Promise<void> {
  try {
    for await (const event of api.events<SharingEvent>(signal)) {
      if (event.type === "task" && event.job === id) screen.update([event.task]);
      else if (event.type === "cheat" && event.job === id) screen.cheat(event.name, event.reason);
      else if (event.type === "job" && event.job.id === id && isOver(event.job)) over();
    }
  } catch {
    // The next look tells.
  }
}

/** What stands on the terminal. */
class JobScreen {
  readonly #api: ApiClient;
  readonly #job: JobView;
  readonly #tasks: Map<number, TaskView>;
  readonly #depth: ColourDepth;
  readonly #isShown = process.stderr.isTTY === true;
  readonly #mosaic: Mosaic | undefined;
  readonly #drawn = new Set<number>();
  readonly #cheats: string[] = [];
  /** Lines of the last drawing, to be written over. */
  #lines = 0;
  #last = "";

  constructor(api: ApiClient, job: JobView) {
    this.#api = api;
    this.#job = job;
    this.#tasks = new Map(job.tasks.map((task) => [task.index, task]));
    this.#depth = colourDepth(process.stderr, process.env);
    const size = pictureSize(job.tasks);
    if (this.#isShown && this.#depth !== "none" && size !== undefined) {
      const columns = Math.min(120, process.stderr.columns || 80);
      const rows = Math.max(4, (process.stderr.rows || 24) - SPARE_ROWS);
      this.#mosaic = new Mosaic(size, { columns, rows });
    }
  }

  update(tasks: readonly TaskView[]): void {
    for (const task of tasks) {
      this.#tasks.set(task.index, task);
      if (task.state === "verified") void this.#addTile(task);
    }
    this.#draw();
  }

  cheat(name: string, reason: string): void {
    this.#cheats.push(`${printable(name)} was caught: ${printable(reason)}`);
    this.#draw();
  }

  /** The last picture, with every tile in it. */
  async end(job: JobView): Promise<void> {
    this.update(job.tasks);
    await Promise.all(
      job.tasks.filter((task) => task.state === "verified").map((task) => this.#addTile(task)),
    );
    this.#draw();
  }

  close(): void {
    this.#lines = 0;
  }

  async #addTile({ index, tile }: TaskView): Promise<void> {
    if (this.#mosaic === undefined || tile === undefined || this.#drawn.has(index)) return;
    this.#drawn.add(index);
    try {
      const bytes = await this.#api.download(`/jobs/${this.#job.id}/files/tile-${index}.png`);
      if (bytes.length > MAX_TILE_BYTES) return;
      const { width, height, data } = PNG.sync.read(Buffer.from(bytes));
      if (width !== tile.width || height !== tile.height) return;
      this.#mosaic.add({ ...tile, pixels: data });
      this.#draw();
    } catch {
      this.#drawn.delete(index);
    }
  }

  #draw(): void {
    if (!this.#isShown) return;
    const depth = this.#depth;
    const picture = this.#mosaic === undefined || depth === "none" ? [] : this.#mosaic.lines(depth);
    const lines = [...picture, ...this.#summary()];
    const text = lines.map((line) => `\u001b[2K${line}\n`).join("");
    if (text === this.#last) return;
    this.#last = text;
    process.stderr.write(`${this.#lines > 0 ? `\u001b[${this.#lines}A` : ""}${text}\u001b[J`);
    this.#lines = lines.length;
  }

  #summary(): string[] {
    const tasks = [...this.#tasks.values()];
    const verified = tasks.filter(({ state }) => state === "verified");
    // A terminal that was never told its size says 0.
    const width = process.stderr.columns || 80;
    return [
      `${bar(verified.length, tasks.length)}  ${verified.length} of ${tasks.length} verified`,
      workersText(verified),
      ...this.#cheats,
    ].map((line) => line.slice(0, width - 1));
  }
}

/** `Alice 12, Bob 9`. */
export function workersText(tasks: readonly TaskView[]): string {
  const counts = new Map<string, number>();
  for (const { providerName } of tasks) {
    const name = printable(providerName ?? "?");
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  return sorted.map(([name, count]) => `${name} ${count}`).join(", ");
}

function pictureSize(tasks: readonly TaskView[]): { width: number; height: number } | undefined {
  let width = 0;
  let height = 0;
  for (const { tile } of tasks) {
    if (tile === undefined) return undefined;
    width = Math.max(width, tile.x + tile.width);
    height = Math.max(height, tile.y + tile.height);
  }
  return width > 0 && height > 0 ? { width, height } : undefined;
}

/** A name or reason from another peer, without what a terminal would obey. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "?");
}
