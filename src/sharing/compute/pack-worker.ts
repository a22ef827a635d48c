/** The thread of {@link ScenePacker}: a `.glb` in, the packed scene out. */
import { serveJobs } from "#base/workers/serve-jobs.ts";
import { type PackOutcome, packScene } from "./core/render/pack-scene.ts";

serveJobs<Uint8Array, PackOutcome>(
  (glb) => packScene(glb),
  (outcome) => (outcome.ok ? [outcome.scene.bytes.buffer as ArrayBuffer] : []),
);
