import type { SlabHealth } from "../connection/views.ts";
import { text } from "../text/en.ts";

const GLYPHS = { stored: "●", unproven: "◐", lost: "✕", repairing: "↻" } as const;

/** Shards that have room for their hosts' names. */
const FEW = 12;

/** One cell a shard: colour, glyph and pattern say the same, so that none of them is needed. */
export function ShardGrid({
  slab,
  nameOf,
}: {
  readonly slab: SlabHealth;
  readonly nameOf: (host: string) => string;
}) {
  const isFew = slab.shards.length <= FEW;
  return (
    <figure className={isFew ? "slab few" : "slab"}>
      <ul className="shards">
        {slab.shards.map(({ host, state }, i) => (
          <li
            // biome-ignore lint/suspicious/noArrayIndexKey: a shard is its place in the slab
            key={i}
            className={`shard ${state}`}
            title={`${i}: ${nameOf(host)}, ${text.shardStates[state]}`}
          >
            <span aria-hidden="true">{GLYPHS[state]}</span>
            <span className="hidden">{`${nameOf(host)} ${text.shardStates[state]}`}</span>
            <span className="host" aria-hidden="true">
              {isFew ? nameOf(host) : nameOf(host).slice(0, 2)}
            </span>
          </li>
        ))}
      </ul>
      <figcaption className="under">{text.needs(slab.needed, slab.shards.length)}</figcaption>
    </figure>
  );
}

export function ShardLegend() {
  return (
    <p className="legend under" aria-hidden="true">
      {Object.entries(GLYPHS).map(([state, glyph]) => (
        <span key={state}>
          {glyph} {text.shardStates[state as keyof typeof GLYPHS]}
        </span>
      ))}
    </p>
  );
}
