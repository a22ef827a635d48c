/** The `code` of a failed system call (`ENOENT`, `ENOSPC`, …), `undefined` for other errors. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  return typeof code === "string" ? code : undefined;
}

/** An error as a failed system call would throw it. */
export function systemError(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${TEXTS[code] ?? "failed"}, ${call} '${path}'`), { code });
}

const TEXTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EBADF: "bad file descriptor",
  EEXIST: "file already exists",
  EISDIR: "illegal operation on a directory",
  ENOENT: "no such file or directory",
  ENOSPC: "no space left on device",
  ENOTDIR: "not a directory",
};

/** Whether an error, or what caused it, says that the disk (or the user's share of it) is full. */
export function isDiskFull(error: unknown): boolean {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = errorCode(at);
    if (code === "ENOSPC" || code === "EDQUOT") return true;
    // LevelDB passes on the text of the system's error and no code.
    if (/no space left on device|disk quota exceeded|disk full/i.test(at.message)) return true;
  }
  return false;
}
