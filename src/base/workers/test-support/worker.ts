/** The worker of worker-pool.test.ts. */
import { threadId, workerData } from "node:worker_threads";
import { serveJobs } from "../serve-jobs.ts";

/** What the test asks of a worker. */
export type TestJob =
  | { readonly do: "add"; readonly a: number; readonly b: number }
  | { readonly do: "who" }
  | { readonly do: "data" }
  | { readonly do: "fail"; readonly message: string }
  | { readonly do: "crash" }
  | { readonly do: "exit" }
  | { readonly do: "unsendable" }
  | { readonly do: "fill"; readonly shared: Int32Array; readonly value: number }
  | { readonly do: "double"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly do: "wait"; readonly gate: Int32Array };

export type TestResult = number | string | Uint8Array<ArrayBuffer> | (() => void);

serveJobs<TestJob, TestResult>(
  async (job) => {
    switch (job.do) {
      case "add":
        return job.a + job.b;
      case "who":
        return threadId;
      case "data":
        return String(workerData);
      case "fail":
        throw new RangeError(job.message);
      case "crash":
        setImmediate(() => {
          throw new Error("crashed on purpose");
        });
        return new Promise<never>(() => {});
      case "exit":
        return process.exit(3);
      case "unsendable":
        return () => {};
      case "fill":
        return Atomics.add(job.shared, 0, job.value);
      case "double":
        return job.bytes.map((byte) => byte * 2);
      case "wait":
        // Announces that it runs, then blocks until the gate opens.
        Atomics.add(job.gate, 1, 1);
        Atomics.notify(job.gate, 1);
        Atomics.wait(job.gate, 0, 0);
        return 0;
    }
  },
  (result) => (result instanceof Uint8Array ? [result.buffer] : []),
);
