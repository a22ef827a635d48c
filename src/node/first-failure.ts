/**
 * What went wrong first of what a disposed stack throws. The parts that failed after it, while they were closed, mostly
 * suffer from the same.
 */
export function firstFailure(thrown: unknown): Error {
  let at = thrown;
  while (at instanceof SuppressedError) at = at.suppressed;
  return at instanceof Error ? at : new Error(String(at));
}
