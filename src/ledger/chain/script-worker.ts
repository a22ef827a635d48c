import { serveJobs } from "#base/workers/serve-jobs.ts";
import type { ScriptFailure } from "#protocol/consensus/verify-inputs.ts";
import { runScriptJob, type ScriptJob } from "./script-job.ts";

serveJobs<ScriptJob, ScriptFailure | undefined>(runScriptJob);
