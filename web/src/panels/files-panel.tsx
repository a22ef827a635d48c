import { useEffect, useRef, useState } from "react";
import { api, saveFile } from "../connection/api.ts";
import { canListMore, chooseBucket, listMore, refresh, useNode } from "../connection/store.ts";
import type { FileEntry, SlabHealth } from "../connection/views.ts";
import { ShardGrid, ShardLegend } from "../pictures/shard-grid.tsx";
import { text } from "../text/en.ts";
import { bytes } from "../text/format.ts";
import { DropZone } from "./drop-zone.tsx";
import { presign } from "./presign.ts";
import { Failure, Room, useAction } from "./room.tsx";

/** Where uploads go when there is no bucket yet. */
const FIRST_BUCKET = "files";
/** Lent unless told otherwise, in bytes. */
const USUAL_LIMIT = 10 * 2 ** 30;
/** Pieces of one file that are drawn; a file may have thousands. */
const DRAWN = 16;

/** The files, and where each of their shards is. */
export function FilesPanel() {
  const { files, buckets, bucket, objects, hasMore } = useNode();
  const list = useRef<HTMLUListElement>(null);
  const [chosen, setChosen] = useState<string>();
  const shown = objects.find(({ key }) => key === chosen) ?? largest(objects);
  return (
    <Room name="files" title={text.files} aside={<Hosting />}>
      {files !== undefined && <Summary />}
      <DropZone bucket={bucket ?? FIRST_BUCKET} />
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
          <ul className="objects" ref={list} tabIndex={-1} aria-label={text.files}>
            {objects.map((object) => (
              <ObjectRow
                key={object.key}
                bucket={bucket}
                object={object}
                isShown={object.key === shown.key}
                choose={() => setChosen(object.key)}
                removed={() => list.current?.focus()}
              />
            ))}
            {hasMore && (
              <li className="more">
                <span className="under">{text.listedFirst(objects.length)}</span>
                {canListMore() && (
                  <button type="button" className="quiet" onClick={listMore}>
                    {text.listMore}
                  </button>
                )}
              </li>
            )}
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
  // What was lent before is lent again, by the same rules.
  const { limitBytes, limitBytesPerAccount, keepDays } = host;
  const rules = { limitBytes: limitBytes > 0 ? limitBytes : USUAL_LIMIT, limitBytesPerAccount, keepDays };
  function toggle() {
    run(async () => {
      await (host!.on ? api.post("/host/stop") : api.post("/host/start", rules));
      refresh("status");
    });
  }
  return (
    <>
      {(host.on || host.usedBytes > 0) && (
        <span className="under">
          {host.on
            ? text.hosting(bytes(host.usedBytes), bytes(host.limitBytes))
            : text.keeping(bytes(host.usedBytes))}
        </span>
      )}
      <button type="button" className="quiet" disabled={busy} onClick={toggle}>
        {host.on ? text.stopHosting : text.lend(bytes(rules.limitBytes))}
      </button>
      <Failure text={error ?? host.trouble} />
    </>
  );
}

function ObjectRow(props: {
  readonly bucket: string;
  readonly object: FileEntry;
  readonly isShown: boolean;
  readonly choose: () => void;
  /** The row is about to go, and the focus with it. */
  readonly removed: () => void;
}) {
  const { bucket, object, isShown, choose, removed } = props;
  const { busy, error, run } = useAction();
  function download() {
    run(async () => await saveFile(await presign("GET", bucket, object.key)));
  }
  function remove() {
    if (!confirm(text.removeSure(object.key))) return;
    run(async () => {
      await api.remove(`/files/objects?${new URLSearchParams({ bucket, key: object.key })}`);
      removed();
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
  const { healthVersion, repairs, peers = [], status } = useNode();
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
  const worst = [...slabs].sort((a, b) => spare(a) - spare(b)).slice(0, DRAWN);
  const own = status?.sharing.peer;
  if (own !== undefined) names.set(own, text.you);
  return (
    <div className="health">
      <h3>{text.healthOf(name)}</h3>
      {slabs.length === 0 ? <p className="empty">{text.inline}</p> : <ShardLegend />}
      {worst.map((slab) => (
        <ShardGrid
          key={slab.slab}
          slab={repairs.get(slab.slab) ?? slab}
          nameOf={(host) => names.get(host) ?? host}
        />
      ))}
      {slabs.length > DRAWN && <p className="under">{text.moreSlabs(slabs.length - DRAWN)}</p>}
    </div>
  );
}

/** Shards that a slab may still lose. */
function spare({ needed, shards }: SlabHealth): number {
  return shards.filter(({ state }) => state === "stored").length - needed;
}
