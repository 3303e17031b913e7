/** How long a tab holds a claim: all tabs hear of a message within this time. */
const HOLD_MS = 3_000

/**
 * Runs `work` in one of the tabs that call this with the same name at about the same time; in each
 * of them where the browser has no locks (they need https or localhost).
 */
export function onceOverTabs(name: string, work: () => void): void {
  const locks = (navigator as { locks?: LockManager }).locks
  if (!locks) {
    work()
    return
  }
  void locks.request(`chatire.once.${name}`, { ifAvailable: true }, async (lock) => {
    if (!lock) return
    work()
    await new Promise((resolve) => setTimeout(resolve, HOLD_MS))
  })
}
