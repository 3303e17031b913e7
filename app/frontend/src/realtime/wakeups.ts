/** The moments at which a lost connection is worth trying at once, and those that lose it. */

export interface Wakeups {
  /** Calls back when the network or the tab comes back. Returns what stops it. */
  onWake(wake: () => void): () => void
  /** Calls back when the browser says the network is gone. Returns what stops it. */
  onOffline(lose: () => void): () => void
}

function listen(target: EventTarget, name: string, hear: () => void): () => void {
  target.addEventListener(name, hear)
  return () => {
    target.removeEventListener(name, hear)
  }
}

export const browserWakeups: Wakeups = {
  onWake(wake) {
    const stops = [
      listen(window, 'online', wake),
      listen(window, 'pageshow', wake),
      listen(document, 'visibilitychange', () => {
        if (document.visibilityState === 'visible') wake()
      }),
    ]
    return () => {
      for (const stop of stops) stop()
    }
  },
  onOffline: (lose) => listen(window, 'offline', lose),
}
