/** What is kept in the browser for one person: unsent messages and drafts, nothing secret. */

const PREFIX = 'chatire'

export type Kind = 'unsent' | 'draft'

/** The key of one thing; `rest` may hold further parts. */
export function storageKey(kind: Kind, userId: number, ...rest: string[]): string {
  return [PREFIX, kind, String(userId), ...rest].join(':')
}

/** All keys that start with `key`, as far as storage can be read. */
export function keysUnder(key: string): string[] {
  try {
    return Object.keys(localStorage).filter((name) => name === key || name.startsWith(`${key}:`))
  } catch {
    return []
  }
}

export function readItem(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

/** Storage may be full or forbidden: then a reload loses the text, and nothing else breaks. */
export function writeItem(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    return
  }
}

export function removeItem(key: string): void {
  try {
    localStorage.removeItem(key)
  } catch {
    return
  }
}

/** Wipes what is kept for a person, when they sign out. */
export function forgetPerson(userId: number): void {
  for (const kind of ['unsent', 'draft'] as const) {
    for (const key of keysUnder(storageKey(kind, userId))) removeItem(key)
  }
}
