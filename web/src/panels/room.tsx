import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import { Refused } from "../connection/api.ts";

/** A part of the page: its title, something small beside it, and what it shows. */
export function Room(props: {
  readonly name: string;
  readonly title: string;
  readonly aside?: ReactNode;
  readonly children: ReactNode;
}) {
  const id = useId();
  return (
    <section className={`room ${props.name}`} aria-labelledby={id}>
      <div className="title">
        <h2 id={id}>{props.title}</h2>
        <div className="aside">{props.aside}</div>
      </div>
      {props.children}
    </section>
  );
}

/** Runs an action of the user's, one at a time, and shows what went wrong. */
export function useAction(): {
  readonly busy: boolean;
  readonly error: string | undefined;
  readonly run: (action: () => Promise<void>) => void;
  /** What went wrong is no longer worth a word. */
  readonly forget: () => void;
} {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  function run(action: () => Promise<void>) {
    setBusy(true);
    setError(undefined);
    action()
      .catch((reason: unknown) => setError(reason instanceof Refused ? reason.message : String(reason)))
      .finally(() => setBusy(false));
  }
  return { busy, error, run, forget: () => setError(undefined) };
}

export function Failure({ text }: { readonly text: string | undefined }) {
  return (
    <p className="failure" role="alert" hidden={text === undefined}>
      {text}
    </p>
  );
}

/** A form whose submission is an action. */
export function ActionForm(props: {
  readonly label: string;
  readonly onSubmit: (fields: FormData) => void;
  readonly children: ReactNode;
}) {
  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    props.onSubmit(new FormData(event.currentTarget));
  }
  return (
    <form className="form" aria-label={props.label} onSubmit={submit}>
      {props.children}
    </form>
  );
}

/**
 * What opens below a button. With `takesFocus` the focus goes there: for what an action put in the place of the button
 * that had it, so that the keyboard goes on from here and not from the top.
 */
export function Drawer(props: {
  readonly takesFocus?: boolean;
  readonly role?: "status";
  readonly children: ReactNode;
}) {
  const { takesFocus = false, role, children } = props;
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (takesFocus) place.current?.focus();
  }, [takesFocus]);
  return (
    <div className="drawer" ref={place} role={role} tabIndex={-1}>
      {children}
    </div>
  );
}

/** What may be wider or longer than its place, and is reached by the keyboard. */
export function Scroll(props: {
  readonly label: string;
  readonly isTall?: boolean;
  readonly children: ReactNode;
}) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms, and a section would be a landmark of its own
    <div
      className={props.isTall === true ? "scroll tall" : "scroll"}
      role="group"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys scroll what has the focus
      tabIndex={0}
      aria-label={props.label}
    >
      {props.children}
    </div>
  );
}
