import { useRef, useState } from "react";
import { api } from "../connection/api.ts";
import { refresh, useNode } from "../connection/store.ts";
import { MeshGraph } from "../pictures/mesh-graph.tsx";
import { QrCode } from "../pictures/qr-code.tsx";
import { text } from "../text/en.ts";
import { bytes } from "../text/format.ts";
import { ActionForm, Drawer, Failure, Room, Scroll, useAction } from "./room.tsx";

/** Who is around, and how much flows on each edge. */
export function NetworkPanel() {
  const { status, peers: known, traffic } = useNode();
  const peers = known ?? [];
  const sharing = status!.sharing;
  return (
    <Room name="network" title={text.network} aside={sharing.state === "running" && <Invite />}>
      <Standing />
      <MeshGraph self={status!.name} peers={peers} traffic={traffic} />
      {known?.length === 0 && <p className="empty">{text.noPeers}</p>}
      {peers.length > 0 && <PeerTable />}
    </Room>
  );
}

/** Why nobody can be seen, where that is so. */
function Standing() {
  const { status, wallet } = useNode();
  const { state, reason } = status!.sharing;
  if (state === "running") return null;
  if (state === "starting") return <p className="notice">{text.starting}</p>;
  if (wallet === undefined) return null;
  if (wallet !== "") return <p className="notice warning">{reason}</p>;
  return (
    <p className="notice">
      {text.needsWallet} <code>freehold wallet new</code>
    </p>
  );
}

function PeerTable() {
  const { peers = [] } = useNode();
  return (
    <details>
      <summary>{text.peerTable}</summary>
      <Scroll label={text.peerTable}>
        <table>
          <thead>
            <tr>
              <th scope="col">{text.peer}</th>
              <th scope="col">{text.standing}</th>
              <th scope="col">{text.roundTrip}</th>
              <th scope="col">{text.sent}</th>
              <th scope="col">{text.received}</th>
            </tr>
          </thead>
          <tbody>
            {peers.map((peer) => (
              <tr key={peer.peer}>
                <th scope="row" className="long" title={peer.peer}>
                  {peer.name}
                </th>
                <td>
                  {text.standings[peer.standing]}, {peer.connected ? text.connected : text.away}
                </td>
                <td>{peer.latencyMs === undefined ? "" : `${peer.latencyMs.toFixed(1)} ms`}</td>
                <td>{bytes(peer.bytesSent)}</td>
                <td>{bytes(peer.bytesReceived)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </details>
  );
}

function Invite() {
  const [open, setOpen] = useState<"invite" | "join">();
  const [link, setLink] = useState<string>();
  const joinButton = useRef<HTMLButtonElement>(null);
  const { busy, error, run, forget } = useAction();
  function toggleJoin() {
    forget();
    setOpen(open === "join" ? undefined : "join");
  }
  function invite() {
    forget();
    if (open === "invite") return setOpen(undefined);
    setOpen(undefined);
    run(async () => {
      const made = await api.post<{ link: string }>("/peers/invitations", { uses: 8, seconds: 86_400 });
      setLink(made.link);
      setOpen("invite");
    });
  }
  function join(fields: FormData) {
    run(async () => {
      await api.post("/peers", { link: String(fields.get("link")).trim() });
      setOpen(undefined);
      joinButton.current?.focus();
      refresh("peers");
    });
  }
  return (
    <>
      <button type="button" disabled={busy} aria-expanded={open === "invite"} onClick={invite}>
        {text.invite}
      </button>
      <button
        type="button"
        ref={joinButton}
        className="quiet"
        aria-expanded={open === "join"}
        onClick={toggleJoin}
      >
        {text.join}
      </button>
      {(open !== undefined || error !== undefined) && (
        <Drawer takesFocus={open === "invite"}>
          <Failure text={error} />
          {open === "invite" && link !== undefined && (
            <>
              <p>{text.invitation}</p>
              <QrCode value={link} label={text.invitation} />
              <Copyable value={link} />
            </>
          )}
          {open === "join" && (
            <ActionForm label={text.join} onSubmit={join}>
              <label>
                {text.joinLabel}
                <input name="link" required autoComplete="off" spellCheck={false} />
              </label>
              <button type="submit" disabled={busy}>
                {text.join}
              </button>
            </ActionForm>
          )}
        </Drawer>
      )}
    </>
  );
}

/** A long text to take along. */
export function Copyable({ value }: { readonly value: string }) {
  const [said, say] = useState<string>();
  const code = useRef<HTMLElement>(null);
  async function copy() {
    // Not every browser lets a page write there; what is selected can be copied by hand.
    const isCopied = await navigator.clipboard.writeText(value).then(
      () => true,
      () => false,
    );
    if (!isCopied && code.current !== null) getSelection()?.selectAllChildren(code.current);
    say(isCopied ? text.copied : text.copyByHand);
    window.setTimeout(() => say(undefined), 2000);
  }
  return (
    <p className="copyable">
      <code ref={code}>{value}</code>
      <button type="button" className="quiet" onClick={() => void copy()}>
        {said ?? text.copy}
      </button>
    </p>
  );
}
