/** Errors of the disk and the network in words, without the names of system calls. */

/** Behind the path; what is wrong, and where it can be said, what to do. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  ECONNREFUSED: "the node does not answer; freehold status tells more",
  ECONNRESET: "the connection broke off; freehold status tells whether the node still runs",
  EEXIST: "a file of that name is in the way",
  EISDIR: "this is a folder, a file is needed",
  ELOOP: "its links lead round in a circle",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "the name is too long for this disk",
  ENOENT: "no such file or folder",
  ENOSPC: "the disk is full",
  ENOTDIR: "a folder is needed, this is a file",
  EPERM: "permission denied",
  EPIPE: "the connection broke off; freehold status tells whether the node still runs",
  EROFS: "the disk is read-only",
};

/** Characters of a path that are shown. */
const MAX_PATH = 300;

/** The reason of an error, for the user; its own text where there are no better words. */
export function reasonOf(error: Error): string {
  return REASONS[(error as NodeJS.ErrnoException).code ?? ""] ?? error.message;
}

/** {@link reasonOf}, with the path that it is about. */
export function errorText(error: Error): string {
  const { path } = error as NodeJS.ErrnoException;
  const reason = reasonOf(error);
  if (path === undefined || reason === error.message) return reason;
  return `${path.length > MAX_PATH ? `${path.slice(0, MAX_PATH)}…` : path}: ${reason}`;
}
