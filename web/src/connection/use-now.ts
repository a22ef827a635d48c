import { useEffect, useState } from "react";

/** Milliseconds between two looks at the clock. */
const TICK = 1000;

/** The time of this browser, ms since 1970, that goes on while nothing else happens. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), TICK);
    return () => window.clearInterval(timer);
  }, []);
  return now;
}
