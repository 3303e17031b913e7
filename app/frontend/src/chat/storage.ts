/**
 * What is kept in the browser for one person: unsent messages, drafts, whom one talks to in which
 * chat; nothing that signs in.
 */

const PREFIX = 'chatire'

const KINDS = ['unsent', 'draft', 'company'] as const

export type Kind = (typeof KINDS)[number]

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
  for (const kind of KINDS) {
    for (const key of keysUnder(storageKey(kind, userId))) removeItem(key)
  }
}
