import { type DragEvent, useEffect, useId, useRef, useState } from "react";
import { api, putFile, Refused } from "../connection/api.ts";
import { refresh, useNode } from "../connection/store.ts";
import { text } from "../text/en.ts";
import { presign } from "./presign.ts";
import { Failure, useAction } from "./room.tsx";

/** Failures that are named; a thousand files may fail for one reason. */
const NAMED = 5;

/**
 * Takes files, one after another; one that fails leaves the others their turn. While nobody is there to take any it says
 * so, and what became of those that were on their way.
 */
export function DropZone({ bucket }: { readonly bucket: string }) {
  const { buckets, objects, status } = useNode();
  const [progress, setProgress] = useState<string>();
  const [failures, setFailures] = useState<readonly string[]>([]);
  const [isOver, setOver] = useState(false);
  const stop = useRef<AbortController>(null);
  const id = useId();
  const { busy, error, run } = useAction();
  useWarning(busy);
  function upload(chosen: readonly File[], refused: readonly string[] = []) {
    if (busy) return setFailures([text.uploadRuns]);
    setFailures(refused);
    if (chosen.length === 0) return;
    const known = new Set(objects.map(({ key }) => key));
    const replaced = chosen.map(({ name }) => name).filter((name) => known.has(name));
    if (replaced.length > 0 && !confirm(text.replaceSure(replaced))) return;
    const stopping = new AbortController();
    stop.current = stopping;
    run(async () => {
      try {
        if (!buckets.includes(bucket)) await api.post("/files/buckets", { bucket });
        for (const [i, file] of chosen.entries()) {
          if (stopping.signal.aborted) break;
          const place = chosen.length === 1 ? "" : ` (${text.uploadedOf(i + 1, chosen.length)})`;
          const tell = (share: number) =>
            setProgress((share < 1 ? text.uploading(file.name, share) : text.spreading(file.name)) + place);
          tell(0);
          await put(file, tell, stopping.signal).catch((reason: unknown) => {
            const why = reason instanceof Refused ? reason.message : String(reason);
            setFailures((before) => [...before, text.notStored(file.name, why)]);
          });
        }
      } finally {
        setProgress(undefined);
        refresh("files");
      }
    });
  }
  async function put(file: File, tell: (share: number) => void, signal: AbortSignal) {
    await putFile(await presign("PUT", bucket, file.name), file, tell, signal);
  }
  function drop(event: DragEvent) {
    event.preventDefault();
    setOver(false);
    const folders = [...event.dataTransfer.items]
      .map((item) => item.webkitGetAsEntry())
      .filter((entry) => entry?.isDirectory === true)
      .map((entry) => entry!.name);
    const files = [...event.dataTransfer.files].filter(({ name }) => !folders.includes(name));
    upload(
      files,
      folders.map((name) => text.notStored(name, text.isFolder)),
    );
  }
  const { state } = status!.sharing;
  const complaints = (
    <>
      <Failure text={error} />
      {failures.slice(0, NAMED).map((failure) => (
        <Failure key={failure} text={failure} />
      ))}
      {failures.length > NAMED && <Failure text={text.alsoNotStored(failures.length - NAMED)} />}
    </>
  );
  if (state !== "running") {
    return (
      <>
        <p className="empty">{state === "starting" ? text.starting : text.later}</p>
        {complaints}
      </>
    );
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
        type="file"
        multiple
        disabled={busy}
        onChange={(event) => {
          const chosen = [...(event.target.files ?? [])];
          event.target.value = "";
          upload(chosen);
        }}
      />
      <p className="under" role="status">
        {progress}
      </p>
      {busy && (
        <button type="button" className="quiet" onClick={() => stop.current?.abort()}>
          {text.stop}
        </button>
      )}
      {complaints}
    </div>
  );
}

/** Has the browser ask before it leaves a page that is still sending. */
function useWarning(isBusy: boolean): void {
  useEffect(() => {
    if (!isBusy) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", warn);
    return () => window.removeEventListener("beforeunload", warn);
  }, [isBusy]);
}
