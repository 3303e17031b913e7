/** Sends, after a reload, what was written and not yet sent in chats that are not open now. */

import type { ChatCalls } from '@/api/chats'
import type { Account } from '@/contract'

import { Delivery } from './delivery'
import { Outbox } from './outbox'
import { keysUnder, storageKey } from './storage'

/** The chats that hold unsent messages of a person. */
function chatsWithUnsent(userId: number): Set<string> {
  const prefix = storageKey('unsent', userId)
  const uris = keysUnder(prefix).map((key) => key.slice(prefix.length + 1).split(':')[0] ?? '')
  return new Set(uris)
}

/**
 * Starts it; the returned function stops it. Should such a chat be opened meanwhile, both send:
 * the `client_id` makes it one message.
 */
export function resumeUnsent(me: Account, calls: ChatCalls): () => void {
  const deliveries = [...chatsWithUnsent(me.id)].map((uri) => {
    const outbox = new Outbox(me.id, uri)
    const delivery = new Delivery({
      outbox,
      send: () => false,
      post: (text, clientId, signal) => calls.post(uri, text, clientId, signal),
      onPosted: () => undefined,
      onSilence: () => undefined,
    })
    delivery.down()
    return delivery
  })
  return () => {
    for (const delivery of deliveries) delivery.stop()
  }
}
