/** What a command line leaves behind: text for the terminal, and the exit code. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export function success(text: string): Outcome {
  return { code: 0, stdout: text === "" ? "" : `${text}\n`, stderr: "" };
}

export function failure(text: string, code = 1): Outcome {
  return { code, stdout: "", stderr: text === "" ? "" : `${text}\n` };
}
