/** What the tabs of one browser tell each other, and the lock that lets one of them work at a time. */

export type TabNews = { type: 'access'; access: string } | { type: 'signed-out' }

export interface Tabs {
  /** Runs `work` while no other tab runs its own under the same name. */
  alone<T>(name: string, work: () => Promise<T>): Promise<T>
  tell(news: TabNews): void
  listen(hear: (news: TabNews) => void): void
}

/**
 * The browser's own means. Web Locks exist only on https and localhost; elsewhere tabs may renew at
 * the same time, which the server's 30 seconds of grace for a rotated token make harmless.
 */
export function browserTabs(): Tabs {
  const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('chatire.session') : null
  const locks = (navigator as { locks?: LockManager }).locks
  return {
    alone: async (name, work) => (locks ? await locks.request(name, work) : await work()),
    tell: (news) => channel?.postMessage(news),
    listen: (hear) => {
      channel?.addEventListener('message', (event: MessageEvent<TabNews>) => {
        hear(event.data)
      })
    },
  }
}
