import { useNode } from "../connection/store.ts";
import { useNow } from "../connection/use-now.ts";
import { BlockStrip } from "../pictures/block-strip.tsx";
import { text } from "../text/en.ts";
import { age } from "../text/format.ts";
import { Room } from "./room.tsx";

/** The last blocks, as this node has checked them. */
export function ChainPanel() {
  const { status, ahead, blocks } = useNode();
  const now = useNow() + ahead;
  const ledger = status!.ledger;
  if (ledger === null) {
    return (
      <Room name="chain" title={text.chain}>
        <p className="empty">{text.noLedger}</p>
      </Room>
    );
  }
  const { height, headers, tipTime, mempool } = ledger;
  return (
    <Room
      name="chain"
      title={text.chain}
      aside={<strong className="figure">{height.toLocaleString("en")}</strong>}
    >
      <p className="under">
        {headers > height ? text.syncing(height, headers) : text.blockAge(age(now / 1000 - tipTime))}
        {" · "}
        {text.waitingTx(mempool.transactions)}
      </p>
      <BlockStrip blocks={blocks} />
    </Room>
  );
}
