import { type HeaderContext, medianTimePastOf } from "#protocol/consensus/header-context.ts";

export interface TestHeaderFields {
  readonly hash?: Uint8Array;
  readonly version?: number;
  readonly time?: number;
  readonly bits?: number;
}

let made = 0;

/** A header in a chain that a test makes up: no proof of work, any height. */
export class TestHeader implements HeaderContext {
  readonly hash: Uint8Array;
  readonly height: number;
  readonly version: number;
  readonly time: number;
  readonly bits: number;
  readonly prev: TestHeader | null;

  constructor(prev: TestHeader | null, height: number, fields: TestHeaderFields) {
    this.prev = prev;
    this.height = height;
    this.hash = fields.hash ?? uniqueHash();
    this.version = fields.version ?? prev?.version ?? 4;
    this.time = fields.time ?? (prev === null ? 0 : prev.time + 600);
    this.bits = fields.bits ?? prev?.bits ?? 0x207f_ffff;
  }

  /** The next header; what is left out is as in this one, ten minutes later. */
  next(fields: TestHeaderFields = {}): TestHeader {
    return new TestHeader(this, this.height + 1, fields);
  }

  /** `count` headers more, each by `fields` of its height. */
  extend(count: number, fields: (height: number) => TestHeaderFields = () => ({})): TestHeader {
    let tip: TestHeader = this;
    for (let i = 0; i < count; i++) tip = tip.next(fields(tip.height + 1));
    return tip;
  }

  ancestor(height: number): TestHeader | null {
    if (height < 0 || height > this.height) return null;
    let node: TestHeader | null = this;
    while (node !== null && node.height > height) node = node.prev;
    // A chain that starts above genesis ends in nothing.
    return node?.height === height ? node : null;
  }

  medianTimePast(): number {
    return medianTimePastOf(this);
  }
}

/** The first header of a chain; `height` above 0 leaves out what came before. */
export function firstHeader(fields: TestHeaderFields = {}, height = 0): TestHeader {
  return new TestHeader(null, height, fields);
}

function uniqueHash(): Uint8Array {
  const hash = new Uint8Array(32);
  new DataView(hash.buffer).setUint32(0, ++made);
  return hash;
}
