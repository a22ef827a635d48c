/** Nobody answers. */
export class NotRunning extends Error {
  override readonly name = "NotRunning";
}
