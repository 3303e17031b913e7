/** The browser's notifications about new messages. */

import type { Message } from '@/contract'

export function notificationsPossible(): boolean {
  return 'Notification' in window && window.isSecureContext
}

/** Asks the person, who must just have clicked. Whether notifications may be shown. */
export async function askForNotifications(): Promise<boolean> {
  if (!notificationsPossible()) return false
  return (await Notification.requestPermission()) === 'granted'
}

/** Shows one; clicking it brings this page forward and calls `open`. */
export function showNotification(message: Message, open: () => void): void {
  if (!notificationsPossible() || Notification.permission !== 'granted') return
  try {
    const shown = new Notification(message.user.username, {
      body: message.message,
      // All tabs show it under the same tag: the person sees it once.
      tag: `${message.uri}:${String(message.seq)}`,
      icon: '/favicon.svg',
      silent: true,
    })
    shown.onclick = () => {
      window.focus()
      open()
      shown.close()
    }
  } catch {
    // Android's Chrome allows notifications through a service worker only.
    return
  }
}
