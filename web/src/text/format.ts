/** Figures as people read them. */

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let shown = value;
  for (; shown >= 1024 && unit < units.length - 1; unit++) shown /= 1024;
  return `${unit === 0 || shown >= 100 ? Math.round(shown) : shown.toFixed(1)} ${units[unit]}`;
}

/** Satoshi, in BTC when it is much. */
export function amount(satoshi: number): string {
  if (Math.abs(satoshi) < 1_000_000) return `${satoshi.toLocaleString("en")} sat`;
  return `${(satoshi / 1e8).toFixed(8).replace(/\.?0+$/, "")} BTC`;
}

export function age(seconds: number): string {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

/** When something was: the time alone on the day itself, the date beside it from then on. */
export function time(milliseconds: number, now = Date.now()): string {
  const date = new Date(milliseconds);
  const clock = date.toLocaleTimeString("en", { ...CLOCK, second: "2-digit" });
  if (date.toDateString() === new Date(now).toDateString()) return clock;
  const isThisYear = date.getFullYear() === new Date(now).getFullYear();
  const day = date.toLocaleDateString("en-GB", {
    ...{ day: "numeric", month: "short" },
    ...(isThisYear ? {} : { year: "numeric" }),
  });
  return `${day}, ${date.toLocaleTimeString("en", CLOCK)}`;
}

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;

/**
 * Satoshi as people type them: digits, with commas, spaces or underscores between thousands.
 * @returns undefined for anything that may mean something else, such as `0.5` or `1,5`
 */
export function typedAmount(typed: string): number | undefined {
  const plain = typed.trim();
  if (!/^\d+$|^\d{1,3}([,_\s]\d{3})+$/.test(plain)) return undefined;
  const satoshi = Number(plain.replace(/\D/g, ""));
  return satoshi > 0 && satoshi <= MOST ? satoshi : undefined;
}

/** There will never be more. */
const MOST = 2_100_000_000_000_000;

export function short(hash: string): string {
  return hash.length <= 14 ? hash : `${hash.slice(0, 8)}…${hash.slice(-4)}`;
}
