import type { RejectionResult } from "#protocol/consensus/rejection.ts";
import { Judge } from "./judge.ts";

/** The last word on a block. */
export interface Verdict {
  /** `undefined` for a valid one. */
  readonly result: RejectionResult | undefined;
  /** Core's state as text: the reject string, and the debug message after a comma; `Valid` once connected. */
  readonly text: string;
}

/** What became of a block, and of others for its sake. */
export interface Judgement {
  /** False where it failed before it could be connected. */
  readonly ok: boolean;
  readonly isNew: boolean;
  /** Display hash of the tip, and its height. */
  readonly tip: string;
  readonly height: number;
  /** Verdicts by display hash. */
  readonly checked: ReadonlyMap<string, Verdict>;
}

/** Core's BlockValidationResult by number. */
const RESULTS: readonly (RejectionResult | undefined)[] = [
  undefined,
  "consensus",
  "cached-invalid",
  "invalid-header",
  "mutated",
  "missing-prev",
  "invalid-prev",
  "time-future",
  "header-low-work",
];

/** ValidationMode: a failed disk or the like, not a verdict. */
const MODE_ERROR = 2;

interface Answer {
  readonly ok?: boolean;
  readonly isNew?: boolean;
  readonly tip: string;
  readonly height: number;
  readonly checked?: readonly (readonly [string, number, number, string])[];
  readonly error?: string;
}

/** Bitcoin Core's consensus library on a fresh regtest chain in memory. */
export class BlockJudge {
  readonly #judge = new Judge("judge-blocks.py");

  /** Hands in a block; waits for the verdict. Calls may overlap, and are answered in order. */
  async judge(raw: Uint8Array): Promise<Judgement> {
    const answer = JSON.parse(new TextDecoder().decode(await this.#judge.ask(raw))) as Answer;
    if (answer.error !== undefined) throw new Error(`the judge says: ${answer.error}`);
    const checked = new Map<string, Verdict>();
    for (const [hash, mode, result, text] of answer.checked ?? []) {
      if (mode === MODE_ERROR) throw new Error(`the judge failed at ${hash}: ${text}`);
      checked.set(hash, { result: RESULTS[result], text });
    }
    const { ok = false, isNew = false, tip, height } = answer;
    return { ok, isNew, tip, height, checked };
  }

  close(): Promise<void> {
    return this.#judge.close();
  }
}
