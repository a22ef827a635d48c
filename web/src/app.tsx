import { useEffect, useState } from "react";
import { useNode } from "./connection/store.ts";
import { ChainPanel } from "./panels/chain-panel.tsx";
import { FilesPanel } from "./panels/files-panel.tsx";
import { NetworkPanel } from "./panels/network-panel.tsx";
import { ReceiptsPanel } from "./panels/receipts-panel.tsx";
import { RenderPanel } from "./panels/render-panel.tsx";
import { WalletPanel } from "./panels/wallet-panel.tsx";
import { text } from "./text/en.ts";

/** The one page: what is around this node, what it owns, what it does. */
export function App() {
  const { connection, status } = useNode();
  useEffect(() => {
    document.title = status === undefined ? "Freehold" : `${status.name} · Freehold`;
  }, [status]);
  return (
    <>
      <a className="skip" href="#content">
        {text.skip}
      </a>
      <Header />
      <main id="content">
        {connection === "locked-out" ? (
          <LockedOut />
        ) : status === undefined ? (
          <p className="notice" role="status">
            {connection === "lost" ? text.lost : text.loading}
          </p>
        ) : (
          <>
            {connection === "lost" && (
              <p className="notice warning" role="alert">
                {text.lost}
              </p>
            )}
            <div className="rooms">
              <NetworkPanel />
              <ChainPanel />
              <WalletPanel />
              <FilesPanel />
              <RenderPanel />
              <ReceiptsPanel />
            </div>
          </>
        )}
      </main>
    </>
  );
}

function Header() {
  const { status } = useNode();
  return (
    <header className="top">
      <img src="./icon.svg" alt="" width="34" height="34" />
      <div className="brand">
        <h1>Freehold</h1>
        <p>{text.slogan}</p>
      </div>
      {status !== undefined && (
        <p className="who">
          <strong>{status.name}</strong>
          <span className="chip">{status.ledger?.network ?? "no ledger"}</span>
        </p>
      )}
      <ThemeSwitch />
    </header>
  );
}

/** Follows the system until somebody chooses; the choice stays in this browser. */
function ThemeSwitch() {
  const [theme, setTheme] = useState(() => localStorage.getItem("theme"));
  useEffect(() => {
    if (theme === null) document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  function toggle() {
    const isDark = theme === null ? matchMedia("(prefers-color-scheme: dark)").matches : theme === "dark";
    const next = isDark ? "light" : "dark";
    localStorage.setItem("theme", next);
    setTheme(next);
  }
  return (
    <button type="button" className="quiet theme" onClick={toggle} aria-label={text.theme} title={text.theme}>
      ◐
    </button>
  );
}

function LockedOut() {
  return (
    <section className="room locked" aria-labelledby="locked-title">
      <h2 id="locked-title">{text.lockedOut}</h2>
      <p>{text.lockedOutHelp}</p>
      <p>
        <code>freehold open</code>
      </p>
    </section>
  );
}
