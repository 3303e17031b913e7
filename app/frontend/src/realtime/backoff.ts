/** How long to wait before the next try: exponential, with full jitter, so that clients spread. */

/** The first wait is somewhere in this span: enough for a proxy to pick another server. */
const BASE_MS = 800

/** Nobody waits longer than this for the next try. */
const CAP_MS = 30_000

/** `attempt` counts from 0; `random` gives a number from 0 up to, not including, 1. */
export function backoff(attempt: number, random: () => number = Math.random): number {
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 16))
}
