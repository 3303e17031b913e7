/** What came while the reader was elsewhere: the line above it, and how much of it is below. */

import { computed, ref } from 'vue'
import type { ComputedRef, Ref } from 'vue'

import type { Room } from '@/chat/room'

export interface NewMessages {
  /** The `seq` above which the "new messages" line stands; 0 for none. */
  newFrom: Ref<number>
  /** How many messages of others have not been before the reader's eyes. */
  below: ComputedRef<number>
  /** Everything up to now is before the reader's eyes. */
  see: () => void
  /** Messages after `seq` have come; whether they are seen as they come. */
  came: (seq: number, seen: boolean) => void
  /** Takes the line away: one has answered. */
  clear: () => void
}

export function useNewMessages({ log, me, lastSeq }: Room, unreadAtFirst: number): NewMessages {
  /** The newest `seq` that was before the reader's eyes. */
  const seenSeq = ref(0)
  const newFrom = ref(firstUnread())

  const below = computed(() => {
    let count = 0
    // From the end: of ten thousand messages few are new.
    for (let index = log.messages.value.length - 1; index >= 0; index -= 1) {
      const message = log.messages.value[index]
      if (!message || message.seq <= seenSeq.value) break
      if (message.user.id !== me.id) count += 1
    }
    return count
  })

  function firstUnread(): number {
    let left = unreadAtFirst
    let seq = 0
    for (const message of log.messages.value.toReversed()) {
      if (left === 0) break
      if (message.user.id !== me.id) {
        left -= 1
        seq = message.seq
      }
    }
    return seq
  }

  function came(after: number, seen: boolean): void {
    if (seen || newFrom.value > seenSeq.value) return
    const first = log.messages.value.find(({ seq, user }) => seq > after && user.id !== me.id)
    if (first) newFrom.value = first.seq
  }

  return {
    newFrom,
    below,
    see: () => {
      seenSeq.value = lastSeq.value
    },
    came,
    clear: () => {
      newFrom.value = 0
    },
  }
}
