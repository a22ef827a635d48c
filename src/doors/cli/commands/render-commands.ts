/** `freehold render`: a picture of a scene, made on everybody's machines. */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { JobView, RenderRequest } from "#doors/api/sharing-control.ts";
import { type CliContext, UsageError } from "../cli-context.ts";
import { finishJob, type JobOptions } from "./job-result.ts";
import { parseCount } from "./parse-count.ts";

interface RenderOptions extends JobOptions {
  readonly size: string;
  readonly samples: string;
  readonly seed?: string;
  readonly bounces?: string;
}

export function renderCommands(program: Command, context: CliContext): void {
  context
    .command(program, "render <scene>", "render a glTF 2.0 scene (.glb) on everybody's machines")
    .option("--size <WxH>", "width and height in pixels", "640x360")
    .option("--samples <n>", "samples a pixel, in steps of 16", "64")
    .option("--seed <n>", "of the noise; the same one gives the same picture")
    .option("--bounces <n>", "how often light may bounce")
    .option("--no-wait", "print the job's id and leave")
    .action(async (scene: string, options: RenderOptions) => {
      const api = context.api(options);
      const request: RenderRequest = {
        scene: resolve(scene),
        ...parsePictureSize(options.size),
        samples: parseCount(options.samples, "--samples", 1, 65_536),
        ...(options.seed === undefined ? {} : { seed: parseCount(options.seed, "--seed", 0, 0xffff_ffff) }),
        ...(options.bounces === undefined
          ? {}
          : { bounces: parseCount(options.bounces, "--bounces", 0, 64) }),
      };
      await finishJob(context, options, api, await api.post<JobView>("/jobs/render", request));
    });
}

/** Pixels of `640x360`. @throws UsageError */
export function parsePictureSize(text: string): { width: number; height: number } {
  const [, width = "0", height = "0"] = /^(\d{1,5})[x×](\d{1,5})$/i.exec(text.trim()) ?? [];
  const size = { width: Number(width), height: Number(height) };
  if (size.width >= 1 && size.height >= 1 && size.width <= 16_384 && size.height <= 16_384) return size;
  throw new UsageError(`${text} is no size of a picture; one is written 640x360, at most 16384x16384`);
}
