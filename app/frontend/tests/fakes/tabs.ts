/** The tabs of one browser: news reach all others, and a lock is held by one at a time. */

import type { TabNews, Tabs } from '@/session/tabs'

export class FakeBrowser {
  private readonly hearers: ((news: TabNews) => void)[] = []
  private queue: Promise<unknown> = Promise.resolve()

  tab(): Tabs {
    let own: ((news: TabNews) => void) | null = null
    return {
      alone: (_name, work) => {
        const turn = this.queue.then(work)
        this.queue = turn.catch(() => undefined)
        return turn
      },
      tell: (news) => {
        for (const hear of this.hearers) if (hear !== own) hear(news)
      },
      listen: (hear) => {
        own = hear
        this.hearers.push(hear)
      },
    }
  }
}
