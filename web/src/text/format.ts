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

export function time(milliseconds: number): string {
  return new Date(milliseconds).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  });
}

export function short(hash: string): string {
  return hash.length <= 14 ? hash : `${hash.slice(0, 8)}…${hash.slice(-4)}`;
}
