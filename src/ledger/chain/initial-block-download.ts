import type { ChainParts } from "./chain-parts.ts";

/** Tells whether we are still catching up with the network; once we are not, never again (Core's latch). */
export class InitialBlockDownload {
  /** Blocks are being imported or the index is being rebuilt. */
  importing = false;
  readonly #parts: ChainParts;
  /** Seconds. */
  readonly #maxTipAge: number;
  #finished = false;

  constructor(parts: ChainParts, maxTipAge: number) {
    this.#parts = parts;
    this.#maxTipAge = maxTipAge;
  }

  get active(): boolean {
    if (this.#finished) return false;
    const { tip } = this.#parts.active;
    if (this.importing || tip === undefined) return true;
    if (tip.chainWork < this.#parts.minimumChainWork) return true;
    if (tip.time < this.#parts.clock.now() / 1000 - this.#maxTipAge) return true;
    this.#parts.log.info("Leaving InitialBlockDownload (latching to false)");
    this.#finished = true;
    return false;
  }
}
