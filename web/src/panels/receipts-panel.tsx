import { useNode } from "../connection/store.ts";
import { text } from "../text/en.ts";
import { short, time } from "../text/format.ts";
import { Room, Scroll } from "./room.tsx";

/** What was done for whom, against which proof. */
export function ReceiptsPanel() {
  const { receipts, peers = [] } = useNode();
  const names = new Map(peers.map((peer) => [peer.peer, peer.name]));
  return (
    <Room name="receipts" title={text.receipts} aside={<span className="under">{text.receiptsHelp}</span>}>
      {receipts.length === 0 ? (
        <p className="empty">{text.noReceipts}</p>
      ) : (
        <Scroll label={text.receipts} isTall={true}>
          <table>
            <thead>
              <tr>
                <th scope="col">{text.when}</th>
                <th scope="col">{text.what}</th>
                <th scope="col">{text.with}</th>
                <th scope="col">{text.price}</th>
                <th scope="col">{text.proof}</th>
              </tr>
            </thead>
            <tbody>
              {receipts.map((receipt) => (
                <tr key={`${receipt.deal} ${receipt.sequence}`}>
                  <td>{time(receipt.time * 1000)}</td>
                  <td>
                    {receipt.role === "seller" ? text.did : text.got}: {receipt.what}
                  </td>
                  <td>{names.get(receipt.peer) ?? short(receipt.peer)}</td>
                  <td>{receipt.amountMsat === 0 ? text.free : `${receipt.amountMsat / 1000} sat`}</td>
                  <td title={receipt.proof}>
                    <code>{short(receipt.proof)}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </Room>
  );
}
