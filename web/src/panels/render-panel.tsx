import { api } from "../connection/api.ts";
import { type Cheat, refresh, useNode } from "../connection/store.ts";
import type { JobView } from "../connection/views.ts";
import { RenderMosaic } from "../pictures/render-mosaic.tsx";
import { text } from "../text/en.ts";
import { short } from "../text/format.ts";
import { ActionForm, Failure, Room, useAction } from "./room.tsx";

const SIZES = ["320x180", "640x360", "1280x720"];
/** How the outcome of an attempt begins that was no honest one. */
const CAUGHT = "caught: ";
/** As a job calls the machine that it was ordered on. */
const SELF = "this machine";
const SAMPLES = [16, 64, 256, 1024];

/** Pictures that this machine and its friends make together. */
export function RenderPanel() {
  const { jobs, cheats, peers = [], status } = useNode();
  const sharing = status!.sharing;
  const isOpen = sharing.state === "running";
  const idle = isOpen ? text.noJobs : sharing.state === "starting" ? text.starting : text.later;
  const job = jobs.find(({ kind }) => kind === "render");
  const names = new Map(peers.map(({ peer, name }) => [peer, name]));
  return (
    <Room name="render" title={text.render} aside={<Providing />}>
      {job !== undefined &&
        cheatsOf(job, cheats, names).map(({ peer, name, reason }) => (
          <p key={peer} className="cheat" role="alert">
            <span aria-hidden="true">⚠</span> {text.cheat(name, reason)}
          </p>
        ))}
      {job !== undefined && <Picture job={job} />}
      {job === undefined && <p className="empty">{idle}</p>}
      {isOpen && <Order />}
    </Room>
  );
}

/** Who was caught at a job, once each: told as it happened, or kept with the job's attempts. */
function cheatsOf(
  job: JobView,
  told: readonly Cheat[],
  names: ReadonlyMap<string, string>,
): readonly Cheat[] {
  const caught = new Map<string, Cheat>();
  for (const { index, attempts } of job.tasks) {
    for (const { provider, outcome } of attempts) {
      if (!outcome.startsWith(CAUGHT)) continue;
      const name = names.get(provider) ?? short(provider);
      caught.set(provider, {
        ...{ peer: provider, name, job: job.id, task: index },
        reason: outcome.slice(CAUGHT.length),
      });
    }
  }
  for (const cheat of told) if (cheat.job === job.id) caught.set(cheat.peer, cheat);
  return [...caught.values()];
}

function Picture({ job }: { readonly job: JobView }) {
  const done = job.tasks.filter(({ state }) => state === "verified").length;
  const { busy, error, run } = useAction();
  const shares = new Map<string, number>();
  for (const { state, providerName } of job.tasks) {
    if (state === "verified" && providerName !== undefined) {
      const name = providerName === SELF ? text.you : providerName;
      shares.set(name, (shares.get(name) ?? 0) + 1);
    }
  }
  return (
    <>
      {job.tasks.length > 0 && <RenderMosaic job={job} />}
      <p className="under" role="status">
        {job.title} · {text.jobStates[job.state]} · {text.tiles(done, job.tasks.length)}
      </p>
      <ul className="badges">
        {[...shares].map(([name, tiles]) => (
          <li key={name} className="badge">
            <span aria-hidden="true">✓</span> {name}: {tiles} {text.verified}
          </li>
        ))}
      </ul>
      {(job.state === "running" || job.state === "waiting") && (
        <button
          type="button"
          className="quiet"
          disabled={busy}
          onClick={() => run(async () => void (await api.post(`/jobs/${job.id}/cancel`)))}
        >
          {text.cancel}
        </button>
      )}
      {job.state === "done" && (
        <p>
          <a href={`/api/jobs/${job.id}/files/picture.png`} download={pictureName(job)}>
            {text.savePicture}
          </a>
        </p>
      )}
      {/* What was called off is no failure: its state says all. */}
      <Failure text={error ?? (job.state === "cancelled" ? undefined : job.reason)} />
    </>
  );
}

/** After the scene, which stands first in the title. */
function pictureName({ title }: JobView): string {
  return `${/^(.+?)\.glb /.exec(title)?.[1] ?? "picture"}.png`;
}

function Order() {
  const { busy, error, run } = useAction();
  function order(fields: FormData) {
    run(async () => {
      const scene = fields.get("scene") as File;
      const { path } = await api.upload<{ path: string }>(
        `/incoming?${new URLSearchParams({ extension: "glb", name: scene.name })}`,
        scene,
      );
      const [width, height] = String(fields.get("size")).split("x").map(Number);
      await api.post("/jobs/render", { scene: path, width, height, samples: Number(fields.get("samples")) });
      refresh("jobs");
    });
  }
  return (
    <ActionForm label={text.render} onSubmit={order}>
      <label>
        {text.scene}
        <input name="scene" type="file" accept=".glb,model/gltf-binary" required />
      </label>
      <label>
        {text.size}
        <select name="size" defaultValue="640x360">
          {SIZES.map((size) => (
            <option key={size} value={size}>
              {size.replace("x", " × ")}
            </option>
          ))}
        </select>
      </label>
      <label>
        {text.samples}
        <select name="samples" defaultValue="64">
          {SAMPLES.map((samples) => (
            <option key={samples}>{samples}</option>
          ))}
        </select>
      </label>
      <button type="submit" disabled={busy}>
        {text.start}
      </button>
      <Failure text={error} />
    </ActionForm>
  );
}

function Providing() {
  const provider = useNode().status?.sharing.provider;
  const { busy, error, run } = useAction();
  if (provider === undefined) return null;
  function toggle() {
    run(async () => {
      await api.post(provider!.on ? "/provider/stop" : "/provider/start");
      refresh("status");
    });
  }
  return (
    <>
      {provider.on && <span className="under">{text.providing}</span>}
      <button type="button" className="quiet" disabled={busy} onClick={toggle}>
        {provider.on ? text.stopProviding : text.provide}
      </button>
      <Failure text={error} />
    </>
  );
}
