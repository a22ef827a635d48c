import type { CSSProperties } from "react";
import type { JobView } from "../connection/views.ts";
import { text } from "../text/en.ts";

type Task = JobView["tasks"][number];
type Tile = NonNullable<Task["tile"]>;

/** The picture as it comes: a tile appears when it is verified; the whole replaces the pieces at the end. */
export function RenderMosaic({ job }: { readonly job: JobView }) {
  const tiles = job.tasks.filter((task): task is Task & { readonly tile: Tile } => task.tile !== undefined);
  const width = Math.max(1, ...tiles.map(({ tile }) => tile.x + tile.width));
  const height = Math.max(1, ...tiles.map(({ tile }) => tile.y + tile.height));
  const done = tiles.filter(({ state }) => state === "verified").length;
  const label = `${job.title}: ${text.tiles(done, tiles.length)}`;
  return (
    <div className="mosaic" role="img" aria-label={label} style={{ aspectRatio: `${width} / ${height}` }}>
      {job.state === "done" ? (
        <img src={`/api/jobs/${job.id}/files/picture.png`} alt={label} />
      ) : (
        tiles.map((task) => (
          <MosaicTile key={task.index} job={job.id} task={task} width={width} height={height} />
        ))
      )}
    </div>
  );
}

function MosaicTile(props: {
  readonly job: string;
  readonly task: Task & { readonly tile: Tile };
  readonly width: number;
  readonly height: number;
}) {
  const { job, task, width, height } = props;
  const { x, y, width: w, height: h } = task.tile;
  const place: CSSProperties = {
    left: `${(x / width) * 100}%`,
    top: `${(y / height) * 100}%`,
    width: `${(w / width) * 100}%`,
    height: `${(h / height) * 100}%`,
  };
  const who = task.providerName ?? "";
  return (
    <span className={`tile ${task.state}`} style={place} title={`${task.index}: ${task.state} ${who}`}>
      {task.state === "verified" ? (
        <img src={`/api/jobs/${job}/files/tile-${task.index}.png`} alt="" />
      ) : (
        <span className="hand" aria-hidden="true">
          {task.state === "failed" ? "✕" : who.slice(0, 1)}
        </span>
      )}
    </span>
  );
}
