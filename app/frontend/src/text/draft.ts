/** What may be sent: the same rules as the server's, so that the answer is known while typing. */

import { MESSAGE_LIMIT } from '@/contract'

/** From here on the counter shows: the last tenth. */
const COUNT_FROM = MESSAGE_LIMIT - 200

/** The length as the server counts it: in code points. */
export function codePoints(text: string): number {
  // A string iterates by code points; its `length` counts UTF-16 units.
  return Array.from(text).length
}

/** Removes what no message may hold and no person types: NUL and halves of surrogate pairs. */
export function clean(text: string): string {
  return text.replaceAll('\0', '').replace(/\p{Surrogate}/gu, '\ufffd')
}

/** Whether there is anything in it, and not too much. */
export function sendable(text: string): boolean {
  return text.trim() !== '' && codePoints(text) <= MESSAGE_LIMIT
}

/** How many code points are left, once that is worth showing; else null. */
export function remaining(text: string): number | null {
  const count = codePoints(text)
  return count >= COUNT_FROM ? MESSAGE_LIMIT - count : null
}
