/**
 * `SharingControl` across the link: the doors of the ledger's process ask, the sharing process answers. What it answers
 * is held to its form before a door sees it.
 */

import { z } from "zod";
import type { SharingControl, SharingEvent } from "#doors/api/sharing-control.ts";
import type { Link } from "../link.ts";
import { CONTROL_METHODS, type ControlSpec, sharingEvent } from "./control-schemas.ts";
import { LinkFailure } from "./own-calls.ts";
import { type ServedMethods, served, servedStream } from "./served-calls.ts";

type Method = Exclude<keyof SharingControl, "events">;
type AnyMethod = (argument: unknown) => Promise<unknown>;

const METHODS = Object.entries(CONTROL_METHODS) as [Method, ControlSpec][];

/** The methods by which the ledger's process reaches `control`. */
export function serveControl(control: SharingControl): ServedMethods {
  const calls = METHODS.map(([name, { request }]) => [
    `control.${name}`,
    served(request, (argument) => (control[name] as AnyMethod).call(control, argument)),
  ]);
  return {
    ...Object.fromEntries(calls),
    "control.events": servedStream(z.null(), (_argument, signal) => control.events(signal)),
  };
}

/**
 * The sharing process as the doors have it. A method that gives a verdict gives the reason when the sharing process
 * does not answer, or answers nonsense; the others reject with LinkFailure.
 */
export function linkedControl(link: Link): SharingControl {
  const calls = METHODS.map(([name, spec]) => [name, (argument: unknown) => ask(link, name, spec, argument)]);
  return {
    ...(Object.fromEntries(calls) as Omit<SharingControl, "events">),
    events: (signal) => eventsOf(link, signal),
  };
}

async function ask(link: Link, name: Method, spec: ControlSpec, argument: unknown): Promise<unknown> {
  const patience = AbortSignal.timeout(spec.patience);
  const outcome = await link.call(`control.${name}`, argument ?? null, patience);
  const reply = outcome.ok ? spec.reply.safeParse(outcome.value) : undefined;
  if (reply?.success) return reply.data;
  const failure = whyNot(name, outcome, patience.aborted);
  if (spec.verdict) return { ok: false, reason: failure.message };
  throw failure;
}

function whyNot(name: Method, outcome: Awaited<ReturnType<Link["call"]>>, isLate: boolean): LinkFailure {
  if (outcome.ok) return new LinkFailure("bad-request", `the sharing process answered ${name} with nonsense`);
  const text = isLate ? "it did not answer in time" : outcome.text;
  return new LinkFailure(outcome.code, `the sharing process did not do it: ${text}`);
}

async function* eventsOf(link: Link, signal: AbortSignal): AsyncGenerator<SharingEvent> {
  for await (const item of link.stream("control.events", null, signal)) {
    const event = sharingEvent.safeParse(item);
    if (!event.success)
      throw new LinkFailure("bad-request", "the sharing process sent an event of no known form");
    yield event.data;
  }
}
