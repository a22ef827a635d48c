import { useEffect, useRef, useState } from "react";
import { api, Refused } from "../connection/api.ts";
import { refresh, session, useNode } from "../connection/store.ts";
import type { PaymentView, QuoteView } from "../connection/views.ts";
import { QrCode } from "../pictures/qr-code.tsx";
import { text } from "../text/en.ts";
import { amount, time, typedAmount } from "../text/format.ts";
import { Copyable } from "./network-panel.tsx";
import { ActionForm, Drawer, Failure, Room, useAction } from "./room.tsx";

/** What a card takes from a payment: a usual 1.5% and 25 cents, shown beside our fee. */
const CARD_SHARE = 0.015;

/** What the wallet holds, paying and being paid. */
export function WalletPanel() {
  const { wallet, payments } = useNode();
  const [open, setOpen] = useState<"send" | "receive">();
  const payButton = useRef<HTMLButtonElement>(null);
  if (wallet === undefined || typeof wallet === "string") {
    return (
      <Room name="money" title={text.money}>
        {wallet === undefined && <p className="empty">{text.looking}</p>}
        {wallet === "" && (
          <p className="empty">
            {text.noWallet} <code>freehold wallet new</code>
          </p>
        )}
        {wallet !== undefined && wallet !== "" && <p className="empty">{wallet}</p>}
      </Room>
    );
  }
  const { trusted, untrustedPending, immature } = wallet.balance;
  function close() {
    setOpen(undefined);
    payButton.current?.focus();
  }
  const toggle = (what: "send" | "receive") => setOpen(open === what ? undefined : what);
  return (
    <Room
      name="money"
      title={text.money}
      aside={
        <>
          <button
            type="button"
            ref={payButton}
            aria-expanded={open === "send"}
            onClick={() => toggle("send")}
          >
            {text.send}
          </button>
          <button
            type="button"
            className="quiet"
            aria-expanded={open === "receive"}
            onClick={() => toggle("receive")}
          >
            {text.receive}
          </button>
        </>
      }
    >
      <p className="balance">
        <strong className="figure">{amount(trusted)}</strong> {text.spendable}
      </p>
      <p className="under">
        {[
          untrustedPending > 0 && text.pending(amount(untrustedPending)),
          immature > 0 && text.immature(amount(immature)),
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
      {wallet.scanning !== undefined && (
        <p className="notice" role="status">
          {text.scanning(wallet.scanning.progress)}
        </p>
      )}
      {wallet.locked && <Unlock />}
      {open === "send" && <Send done={close} />}
      {open === "receive" && <Receive payments={payments} />}
      <Payments payments={payments} />
    </Room>
  );
}

interface Order {
  readonly to: string;
  readonly amount: number;
  readonly quote: QuoteView;
}

/** The passphrase goes to the node alone, which forgets the seed again by itself. */
function Unlock() {
  const { busy, error, run } = useAction();
  function unlock(fields: FormData) {
    run(async () => {
      await api.post("/wallet/unlock", { passphrase: String(fields.get("passphrase")) });
      refresh("wallet", "status");
    });
  }
  return (
    <Drawer>
      <p>{text.locked}</p>
      <ActionForm label={text.unlock} onSubmit={unlock}>
        <label>
          {text.passphrase}
          <input name="passphrase" type="password" required autoComplete="current-password" />
        </label>
        <button type="submit" disabled={busy}>
          {text.unlock}
        </button>
        <Failure text={error} />
      </ActionForm>
    </Drawer>
  );
}

/** Two steps: what it costs is seen before anything is signed. */
function Send({ done }: { readonly done: () => void }) {
  const [order, setOrder] = useState<Order>();
  const [sent, setSent] = useState<string>();
  /** What was typed, to be found again on the way back from the review. */
  const [typed, setTyped] = useState({ to: "", amount: "" });
  const { busy, error, run, forget } = useAction();
  function review(fields: FormData) {
    const fresh = { to: String(fields.get("to")).trim(), amount: String(fields.get("amount")) };
    setTyped(fresh);
    run(async () => {
      const satoshi = typedAmount(fresh.amount);
      if (satoshi === undefined) throw new Refused(0, text.amountHelp);
      const request = { to: fresh.to, amount: satoshi };
      setOrder({ ...request, quote: await api.post<QuoteView>("/wallet/quote", request) });
    });
  }
  function back() {
    forget();
    setOrder(undefined);
  }
  function pay({ quote }: Order) {
    run(async () => {
      const { txid } = await api.post<{ txid: string }>("/wallet/send", { quote: quote.quote });
      setSent(txid);
      setOrder(undefined);
      refresh("wallet");
    });
  }
  if (sent !== undefined) {
    return (
      <Drawer key="sent" role="status" takesFocus={true}>
        <p>{text.sentOk}</p>
        <Copyable value={sent} />
        <button type="button" className="quiet" onClick={done}>
          {text.close}
        </button>
      </Drawer>
    );
  }
  return (
    <Drawer key={order === undefined ? "order" : "review"} takesFocus={order !== undefined}>
      <Failure text={error} />
      {order === undefined ? (
        <ActionForm label={text.send} onSubmit={review}>
          <label>
            {text.address}
            <input name="to" defaultValue={typed.to} required autoComplete="off" spellCheck={false} />
          </label>
          <label>
            {text.amount}
            <input
              name="amount"
              defaultValue={typed.amount}
              required
              inputMode="numeric"
              autoComplete="off"
            />
          </label>
          <button type="submit" disabled={busy}>
            {text.review}
          </button>
        </ActionForm>
      ) : (
        <>
          <dl>
            <dt>{text.payTo}</dt>
            <dd>
              <code>{order.to}</code>
            </dd>
            <dt>{text.sum}</dt>
            <dd>{amount(order.amount)}</dd>
            <dt>{text.fee}</dt>
            <dd>
              {amount(order.quote.fee)} ({order.quote.feeRate} sat/vB)
            </dd>
            <dt>{text.cardFee}</dt>
            <dd>{amount(Math.round(order.amount * CARD_SHARE))}</dd>
            <dt>{text.total}</dt>
            <dd>
              <strong>{amount(order.amount + order.quote.fee)}</strong>
            </dd>
          </dl>
          <button type="button" disabled={busy} onClick={() => pay(order)}>
            {text.confirmSend}
          </button>
          <button type="button" className="quiet" onClick={back}>
            {text.back}
          </button>
        </>
      )}
    </Drawer>
  );
}

/** One fresh address, the same until somebody paid to it: each opening would else use one up. */
function Receive({ payments }: { readonly payments: readonly PaymentView[] }) {
  const [address, setAddress] = useState(() => lastAddress.get(session()));
  const { error, run } = useAction();
  const isUsed = payments.some(({ outputs }) => outputs.some((output) => output.address === address));
  // biome-ignore lint/correctness/useExhaustiveDependencies: asked for once, and once more when it was used
  useEffect(() => {
    if (address !== undefined && !isUsed) return;
    run(async () => {
      const fresh = (await api.post<{ address: string }>("/wallet/addresses")).address;
      lastAddress.set(session(), fresh);
      setAddress(fresh);
    });
  }, [isUsed]);
  return (
    <Drawer>
      <Failure text={error} />
      {address !== undefined && (
        <>
          <p>{text.addressHelp}</p>
          <QrCode value={`bitcoin:${address}`} label={address} />
          <Copyable value={address} />
        </>
      )}
    </Drawer>
  );
}

/** By login: what comes after the next one may be another node, with another wallet. */
const lastAddress = new WeakMap<object, string>();

function standing({ status, confirmations }: PaymentView): string {
  if (status === "conflicted" || status === "gone") return text.statuses[status];
  return confirmations > 0 ? text.confirmed(confirmations) : text.inMempool;
}

function Payments({ payments }: { readonly payments: readonly PaymentView[] }) {
  const ours = payments.filter(({ isCoinbase }) => !isCoinbase);
  return (
    <>
      <h3>{text.payments}</h3>
      {ours.length === 0 && <p className="empty">{text.noPayments}</p>}
      <ul className="payments">
        {ours.slice(0, 6).map((payment) => (
          <li key={payment.txid} className={payment.net < 0 ? "out" : "in"}>
            <span aria-hidden="true">{payment.net < 0 ? "↗" : "↙"}</span>
            <span>
              {payment.net < 0 ? text.paidTo : text.paidBy} <strong>{amount(Math.abs(payment.net))}</strong>
            </span>
            <span className="under">
              {time(payment.received * 1000)} · {standing(payment)}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}
