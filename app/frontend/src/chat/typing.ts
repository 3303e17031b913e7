/** Who is typing, and telling the others that one is. */

import { shallowReactive } from 'vue'

import type { User } from '@/contract'

/** Somebody who was last heard typing longer ago than this has stopped. */
export const TYPING_LASTS_MS = 5_000

/** The server passes on one word a second about a person and drops the rest. */
const TELL_AGAIN_MS = 1_000

/** While one types, the others are told this often: within what TYPING_LASTS_MS bridges. */
const TELL_EVERY_MS = 3_000

export class Typing {
  /** Everybody typing now, by id. */
  readonly users = shallowReactive(new Map<number, User>())
  private readonly timers = new Map<number, ReturnType<typeof setTimeout>>()
  private toldAt = Number.NEGATIVE_INFINITY
  private tellAgainAt = Number.NEGATIVE_INFINITY

  heard(user: User): void {
    this.stopped(user.id)
    this.users.set(user.id, user)
    const timer = setTimeout(() => {
      this.stopped(user.id)
    }, TYPING_LASTS_MS)
    this.timers.set(user.id, timer)
  }

  /** They sent what they typed, or went away. */
  stopped(userId: number): void {
    clearTimeout(this.timers.get(userId))
    this.timers.delete(userId)
    this.users.delete(userId)
  }

  clear(): void {
    for (const id of [...this.users.keys()]) this.stopped(id)
  }

  /** A key was pressed: calls `tell` unless the others were told a moment ago. */
  pressed(tell: () => void): void {
    const now = Date.now()
    if (now < this.tellAgainAt) return
    this.toldAt = now
    this.tellAgainAt = now + TELL_EVERY_MS
    tell()
  }

  /** The message is sent: the next key is told as soon as the server takes it. */
  finished(): void {
    this.tellAgainAt = this.toldAt + TELL_AGAIN_MS
  }
}
