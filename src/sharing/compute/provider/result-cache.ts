/** Results by task, within bytes: an equal task has an equal result, whoever asks. The oldest used go first. */

import type { MerkleTree } from "#base/crypto/merkle-tree.ts";
import { traceTree } from "../core/commitment.ts";
import type { TaskId } from "../core/task.ts";
import type { RunResult } from "../core/task-runner.ts";

export interface CachedResult extends RunResult {
  readonly tree: MerkleTree;
}

export class ResultCache {
  readonly #limit: number;
  readonly #results = new Map<TaskId, CachedResult>();
  #bytes = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  get(task: TaskId): CachedResult | undefined {
    const result = this.#results.get(task);
    if (result !== undefined) {
      this.#results.delete(task);
      this.#results.set(task, result);
    }
    return result;
  }

  put(task: TaskId, result: RunResult): CachedResult {
    const cached = { ...result, tree: traceTree(result.trace, result.leafLength) };
    this.#remove(task);
    this.#results.set(task, cached);
    this.#bytes += bytesOf(cached);
    for (const oldest of this.#results.keys()) {
      if (this.#bytes <= this.#limit || oldest === task) break;
      this.#remove(oldest);
    }
    return cached;
  }

  #remove(task: TaskId): void {
    const result = this.#results.get(task);
    if (result === undefined) return;
    this.#results.delete(task);
    this.#bytes -= bytesOf(result);
  }
}

/** A leaf's hash costs about as much again in rows and objects. */
function bytesOf(result: CachedResult): number {
  return result.output.length + result.trace.length + 200 * result.tree.leafCount;
}
