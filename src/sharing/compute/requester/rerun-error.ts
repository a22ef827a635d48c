/** This machine could not run what a check needs: that says nothing of the provider. */
export class RerunError extends Error {
  override readonly name = "RerunError";
}
