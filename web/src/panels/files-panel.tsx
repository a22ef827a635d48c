import { type DragEvent, useEffect, useId, useRef, useState } from "react";
import { api, putFile } from "../connection/api.ts";
import { chooseBucket, refresh, useNode } from "../connection/store.ts";
import type { FileEntry, SlabHealth } from "../connection/views.ts";
import { ShardGrid, ShardLegend } from "../pictures/shard-grid.tsx";
import { text } from "../text/en.ts";
import { bytes } from "../text/format.ts";
import { Failure, Room, useAction } from "./room.tsx";

/** Where uploads go when there is no bucket yet. */
const FIRST_BUCKET = "files";
/** Seconds that an address for one upload or download is good. */
const LINK_LIFE = 3600;

async function presign(method: "GET" | "PUT", bucket: string, key: string): Promise<string> {
  return (await api.post<{ url: string }>("/files/presign", { method, bucket, key, seconds: LINK_LIFE })).url;
}

/** The files, and where each of their shards is. */
export function FilesPanel() {
  const { files, buckets, bucket, objects, status } = useNode();
  const isOpen = status?.sharing.state === "running";
  const [chosen, setChosen] = useState<string>();
  const shown = objects.find(({ key }) => key === chosen) ?? largest(objects);
  return (
    <Room name="files" title={text.files} aside={<Hosting />}>
      {files !== undefined && <Summary />}
      {isOpen ? <DropZone bucket={bucket ?? FIRST_BUCKET} /> : <p className="empty">{text.later}</p>}
      {buckets.length > 1 && (
        <label className="inline">
          {text.bucket}
          <select value={bucket} onChange={(event) => chooseBucket(event.target.value)}>
            {buckets.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      )}
      {bucket !== undefined && shown !== undefined && (
        <div className="split">
          <ul className="objects">
            {objects.map((object) => (
              <ObjectRow
                key={object.key}
                bucket={bucket}
                object={object}
                isShown={object.key === shown.key}
                choose={() => setChosen(object.key)}
              />
            ))}
          </ul>
          <Health bucket={bucket} name={shown.key} />
        </div>
      )}
      {files !== undefined && <Hosts />}
    </Room>
  );
}

/** The one with the most to see. */
function largest(objects: readonly FileEntry[]): FileEntry | undefined {
  return objects.reduce<FileEntry | undefined>(
    (best, object) => (best === undefined || object.size > best.size ? object : best),
    undefined,
  );
}

function Summary() {
  const { shards, bytes: size, objects } = useNode().files!;
  return (
    <p className="under" role="status">
      {[
        text.fileCount(objects, bytes(size)),
        text.stored(shards.stored),
        shards.repairing > 0 && text.repairing(shards.repairing),
        shards.lost > 0 && text.lostShards(shards.lost),
      ]
        .filter(Boolean)
        .join(" · ")}
    </p>
  );
}

/** Who keeps how much for us; a tick says that the last proof held. */
function Hosts() {
  const hosts = useNode().files!.hosts.filter(({ shards }) => shards > 0);
  return (
    <ul className="badges">
      {hosts.map(({ peer, name, shards, proven }) => (
        <li key={peer} className={proven ? "badge" : "badge open"}>
          <span aria-hidden="true">{proven ? "✓" : "◐"}</span> {text.keeps(name, shards)}
          {!proven && <span className="hidden">, {text.shardStates.unproven}</span>}
        </li>
      ))}
    </ul>
  );
}

function Hosting() {
  const host = useNode().status?.sharing.host;
  const { busy, error, run } = useAction();
  if (host === undefined) return null;
  function toggle() {
    run(async () => {
      await api.post(host!.on ? "/host/stop" : "/host/start", host!.on ? {} : { limitBytes: 10 * 2 ** 30 });
      refresh("status");
    });
  }
  return (
    <>
      {host.on && (
        <span className="under">{text.hosting(bytes(host.usedBytes), bytes(host.limitBytes))}</span>
      )}
      <button type="button" className="quiet" disabled={busy} onClick={toggle}>
        {host.on ? text.stopHosting : text.host}
      </button>
      <Failure text={error ?? host.trouble} />
    </>
  );
}

function DropZone({ bucket }: { readonly bucket: string }) {
  const { buckets } = useNode();
  const [progress, setProgress] = useState<string>();
  const [isOver, setOver] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const { busy, error, run } = useAction();
  function upload(list: FileList | null) {
    const chosen = [...(list ?? [])];
    if (chosen.length === 0) return;
    run(async () => {
      if (!buckets.includes(bucket)) await api.post("/files/buckets", { bucket });
      for (const file of chosen) {
        setProgress(text.uploading(file.name, 0));
        const url = await presign("PUT", bucket, file.name);
        await putFile(url, file, (share) => setProgress(text.uploading(file.name, share)));
      }
      setProgress(undefined);
      refresh("files");
    });
  }
  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    upload(event.dataTransfer.files);
  }
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is a mouse's way; the input inside is everybody's
    <div
      className={isOver ? "drop over" : "drop"}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <label htmlFor={id}>{text.drop}</label>
      <input
        id={id}
        ref={input}
        type="file"
        multiple
        disabled={busy}
        onChange={(event) => {
          upload(event.target.files);
          event.target.value = "";
        }}
      />
      <p className="under" role="status">
        {progress}
      </p>
      <Failure text={error} />
    </div>
  );
}

function ObjectRow(props: {
  readonly bucket: string;
  readonly object: FileEntry;
  readonly isShown: boolean;
  readonly choose: () => void;
}) {
  const { bucket, object, isShown, choose } = props;
  const { busy, error, run } = useAction();
  function download() {
    run(async () => {
      const response = await fetch(await presign("GET", bucket, object.key));
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await response.blob());
      link.download = object.key.split("/").at(-1) ?? object.key;
      link.click();
      // The browser reads it after the click.
      window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    });
  }
  function remove() {
    if (!confirm(text.removeSure(object.key))) return;
    run(async () => {
      await api.remove(`/files/objects?${new URLSearchParams({ bucket, key: object.key })}`);
      refresh("files");
    });
  }
  return (
    <li>
      <button type="button" className="name" aria-pressed={isShown} onClick={choose}>
        {object.key}
      </button>
      <span className="under">{bytes(object.size)}</span>
      <button
        type="button"
        className="quiet"
        disabled={busy}
        onClick={download}
        aria-label={`${text.download} ${object.key}`}
      >
        ↓
      </button>
      <button
        type="button"
        className="quiet"
        disabled={busy}
        onClick={remove}
        aria-label={`${text.remove} ${object.key}`}
      >
        ✕
      </button>
      <Failure text={error} />
    </li>
  );
}

function Health({ bucket, name }: { readonly bucket: string; readonly name: string }) {
  const { healthVersion, repairs, peers, status } = useNode();
  const [slabs, setSlabs] = useState<readonly SlabHealth[]>([]);
  useEffect(() => {
    let isCurrent = true;
    // A change of any shard, or another object: look again.
    void healthVersion;
    api.get<SlabHealth[]>(`/files/health?${new URLSearchParams({ bucket, key: name })}`).then(
      (found) => isCurrent && setSlabs(found),
      () => isCurrent && setSlabs([]),
    );
    return () => {
      isCurrent = false;
    };
  }, [bucket, name, healthVersion]);
  const names = new Map(peers.map((peer) => [peer.peer as string, peer.name]));
  const own = status?.sharing.peer;
  if (own !== undefined) names.set(own, text.you);
  return (
    <div className="health">
      <h3>{text.healthOf(name)}</h3>
      {slabs.length === 0 ? <p className="empty">{text.inline}</p> : <ShardLegend />}
      {slabs.map((slab) => (
        <ShardGrid
          key={slab.slab}
          slab={repairs.get(slab.slab) ?? slab}
          nameOf={(host) => names.get(host) ?? host}
        />
      ))}
    </div>
  );
}
