import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { Command } from "commander";
import type { JobView, TaskView } from "#doors/api/sharing-control.ts";
import { ApiClient } from "../api-client.ts";
import { CliContext, type CommonOptions, UsageError } from "../cli-context.ts";
import { workersText } from "./follow-job.ts";
import { jobCommands, jobLine, jobText, newestJobs } from "./job-commands.ts";
import { endText, finishJob } from "./job-result.ts";
import { parseCount } from "./parse-count.ts";
import { providerText } from "./provide-commands.ts";
import { parsePictureSize } from "./render-commands.ts";

test("a picture's size is two numbers, or an error that says how to write one", () => {
  assert.deepEqual(parsePictureSize("640x360"), { width: 640, height: 360 });
  assert.deepEqual(parsePictureSize("1×16384"), { width: 1, height: 16_384 });
  for (const wrong of ["640", "640x", "0x10", "20000x10", "-1x5", "640x360x2"]) {
    assert.throws(() => parsePictureSize(wrong), UsageError, wrong);
  }
});

test("a count is within its bounds, or an error that names the option", () => {
  assert.equal(parseCount("64", "--samples", 1, 100), 64);
  for (const wrong of ["0", "101", "1.5", "x", ""]) {
    assert.throws(() => parseCount(wrong, "--samples", 1, 100), /--samples/);
  }
});

test("who did how much, the busiest first, and no name plays with the terminal", () => {
  const task = (providerName: string): TaskView => ({
    index: 0,
    state: "verified",
    attempts: [],
    providerName,
  });
  assert.equal(workersText([task("Bob"), task("Eve"), task("Bob")]), "Bob 2, Eve 1");
  assert.equal(workersText([task("\u001b[2JEve")]), "?[2JEve 1");
});

test("a provider's funnel is told in order, with the reasons of its refusals", () => {
  const funnel = { seen: 9, refused: 2, matched: 7, ran: 7, verified: 6, "refused: no-terms": 2 };
  assert.equal(
    providerText({ on: true, running: 1, done: 7, refused: 2, funnel }),
    "Lending cores: 1 task runs.\nseen 9 → refused 2 → matched 7 → ran 7 → verified 6\n  refused: no-terms: 2",
  );
});

const JOB: JobView = {
  id: "ab".repeat(16),
  kind: "render",
  title: "scene.glb",
  state: "failed",
  reason: "nobody could do it",
  created: 0,
  tasks: [],
  counts: { total: 1, verified: 0 },
};

test("a job's end is told once, in words", () => {
  const cancelled: JobView = { ...JOB, state: "cancelled", reason: "cancelled" };
  assert.equal(endText(JOB), "the job failed: nobody could do it");
  assert.equal(endText(cancelled), "the job was cancelled");
  assert.match(jobText(cancelled), /^scene\.glb: cancelled\n0 of 0 tasks verified$/);
  const task: TaskView = { index: 0, state: "verified", attempts: [] };
  assert.match(jobText({ ...JOB, tasks: [task] }), /\n1 of 1 task verified\n/);
});

test("a job that failed is one answer to a program, and an error to a person", async (t) => {
  const { port } = await answering(t, JOB);
  const api = new ApiClient(`http://127.0.0.1:${port}`, "token");
  const printed: unknown[] = [];
  class Recording extends CliContext {
    override print(_options: CommonOptions, json: unknown): void {
      printed.push(json);
    }
  }
  const context = new Recording(() => assert.fail("no node is looked for"));
  await assert.rejects(finishJob(context, {}, api, JOB), /^Error: the job failed: nobody could do it$/);
  assert.deepEqual(printed, []);
  try {
    await finishJob(context, { json: true }, api, JOB);
    assert.deepEqual([printed, process.exitCode], [[JOB], 1]);
  } finally {
    process.exitCode = undefined;
  }
});

test("a job's line says when it came and what it takes on the disk", () => {
  const day = Date.UTC(2026, 1, 3, 4, 5);
  const id = "abababab";
  assert.equal(
    jobLine({ ...JOB, created: day, bytes: 1_572_864 }),
    `${id}  2026-02-03 04:05  failed     scene.glb  0 of 1  1.5 MiB`,
  );
  assert.equal(jobLine({ ...JOB, state: "running" }), `${id}${" ".repeat(20)}running    scene.glb  0 of 1`);
});

test("jobs are asked for page by page, until there are enough or no more", async () => {
  const all = Array.from({ length: 2500 }, (_, i) => ({ ...JOB, id: `${i}`.padStart(32, "0"), created: 9 }));
  const asked: string[] = [];
  const get = async (path: string): Promise<never> => {
    asked.push(path);
    const query = new URL(path, "http://node").searchParams;
    const from = all.findIndex(({ id }) => `9-${id}` === query.get("after")) + 1;
    return all.slice(from, from + Number(query.get("limit"))) as never;
  };
  assert.deepEqual(await newestJobs({ get }, 2001), all.slice(0, 2001));
  assert.deepEqual(asked, [
    "/jobs?limit=1000",
    `/jobs?limit=1000&after=9-${all[999]!.id}`,
    `/jobs?limit=1&after=9-${all[1999]!.id}`,
  ]);
  assert.deepEqual(await newestJobs({ get }, 1_000_000), all);
});

test("what is no job's id is told of before anybody is asked", async () => {
  const program = new Command("freehold").exitOverride();
  jobCommands(program, new CliContext(() => assert.fail("a node was looked for")));
  for (const id of ["abc", "xyz1", "", "../wallet"]) {
    await assert.rejects(program.parseAsync(["job", id], { from: "user" }), UsageError, id);
  }
  const both = ["job", "abab", "--remove", "--cancel"];
  await assert.rejects(program.parseAsync(both, { from: "user" }), UsageError);
});

async function answering(t: TestContext, answer: object): Promise<AddressInfo> {
  const server = createServer((request, response) => {
    if (request.url === "/api/events") response.writeHead(200).end();
    else response.end(JSON.stringify(answer));
  });
  t.after(() => server.close().closeAllConnections());
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server.address() as AddressInfo;
}
