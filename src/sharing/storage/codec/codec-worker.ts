/** The worker of `SlabCodec`: one stripe a job. */
import { serveJobs } from "#base/workers/serve-jobs.ts";
import { type CodecJob, type CodecResult, runCodecJob, transferOf } from "./codec-job.ts";
import { newRowProduct } from "./row-product.ts";

const product = newRowProduct();

serveJobs<CodecJob, CodecResult>((job) => runCodecJob(job, product), transferOf);
