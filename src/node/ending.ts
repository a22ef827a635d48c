/** The end of the node: asked for once, by a signal, a method, or a failure. */
export class Ending {
  asked = false;
  readonly promise: Promise<Error | undefined>;
  readonly #resolve: (error: Error | undefined) => void;

  constructor(stopping: AbortSignal) {
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.promise = promise;
    this.#resolve = resolve;
    stopping.addEventListener("abort", () => this.because(undefined), { once: true });
    if (stopping.aborted) this.because(undefined);
  }

  because(error: Error | undefined): void {
    this.asked = true;
    this.#resolve(error);
  }
}
