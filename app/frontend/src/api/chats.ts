/** The calls about chats. Each raises ApiError. */

import type { ChatDetail, ChatList, Joined, Message, MessagePage } from '@/contract'
import type { Session } from '@/session/session'

/** How many messages one page of history has: two or three screens. */
const PAGE = 50

/** A page of older history has more: whoever scrolls up goes through many. */
const OLDER_PAGE = 100

export type Range = { after: number; limit: number } | { before: number } | null

export interface ChatCalls {
  start(): Promise<string>
  list(cursor?: string): Promise<ChatList>
  detail(uri: string): Promise<ChatDetail>
  join(uri: string, username: string): Promise<Joined>
  remove(uri: string, username: string): Promise<void>
  messages(uri: string, range?: Range): Promise<MessagePage>
  post(uri: string, text: string, clientId: string, signal: AbortSignal): Promise<Message>
  read(uri: string, seq: number): Promise<void>
}

function chatPath(uri: string, rest = ''): string {
  return `/api/chats/${encodeURIComponent(uri)}/${rest}`
}

/** The cursor of `next`, which may be a whole address or the cursor itself. */
export function cursorOf(next: string | null): string | null {
  if (next === null || next === '') return null
  const query = /[?&]cursor=([^&]+)/.exec(next)?.[1]
  return query === undefined ? next : decodeURIComponent(query)
}

export function chatCalls(session: Session): ChatCalls {
  return {
    async start() {
      return (await session.request<{ uri: string }>('POST', '/api/chats/', {})).uri
    },
    list(cursor) {
      const query = cursor === undefined ? '' : `?cursor=${encodeURIComponent(cursor)}`
      return session.request('GET', `/api/chats/${query}`)
    },
    detail: (uri) => session.request('GET', chatPath(uri)),
    join: (uri, username) => session.request('PATCH', chatPath(uri), { username }),
    async remove(uri, username) {
      const path = chatPath(uri, `members/${encodeURIComponent(username)}/`)
      await session.request('DELETE', path)
    },
    messages(uri, range = null) {
      const limit = range && 'before' in range ? OLDER_PAGE : PAGE
      const query = new URLSearchParams({ limit: String(limit) })
      for (const [name, value] of Object.entries(range ?? {})) query.set(name, String(value))
      return session.request('GET', chatPath(uri, `messages/?${query.toString()}`))
    },
    async post(uri, text, clientId, signal) {
      const body = { message: text, client_id: clientId }
      const answer = await session.request<Message>(
        'POST',
        chatPath(uri, 'messages/'),
        body,
        signal,
      )
      const { id, seq, user, message, client_id, create_date } = answer
      return { id, seq, uri, user, message, client_id, create_date }
    },
    async read(uri, seq) {
      await session.request('POST', chatPath(uri, 'read/'), { seq })
    },
  }
}
