import type { BlockView } from "../connection/views.ts";
import { Scroll } from "../panels/room.tsx";
import { text } from "../text/en.ts";
import { bytes, short } from "../text/format.ts";

/** The last blocks, newest first; the fuller a block, the higher its fill. */
export function BlockStrip({ blocks }: { readonly blocks: readonly BlockView[] }) {
  const fullest = Math.max(1, ...blocks.map(({ size }) => size));
  return (
    <Scroll label={text.chain}>
      <ol className="blocks">
        {blocks.map((block) => (
          <li key={block.hash} className="block" title={`${block.hash}, ${bytes(block.size)}`}>
            <span
              className="fill"
              style={{ height: `${8 + 92 * (block.size / fullest)}%` }}
              aria-hidden="true"
            />
            <strong>{block.height.toLocaleString("en")}</strong>
            <span>{text.transactions(block.transactions)}</span>
            <code>{short(block.hash).slice(-4)}</code>
          </li>
        ))}
      </ol>
    </Scroll>
  );
}
