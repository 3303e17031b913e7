/** The shapes that the server promises: those of the HTTP answers and of the WebSocket frames. */

export interface User {
  id: number
  username: string
  first_name: string
  last_name: string
}

/** Oneself: the only user whose e-mail address one sees. */
export interface Account {
  id: number
  username: string
  email: string
}

/** One message of a chat. `seq` is 1, 2, 3, … within its chat, in the order of commits. */
export interface Message {
  id: number
  seq: number
  uri: string
  user: User
  message: string
  client_id: string | null
  create_date: string
}

/** One row of the list of one's chats. `owner` is missing when the row came over the socket. */
export interface ChatSummary {
  uri: string
  owner: User | null
  last_message: Message | null
  last_seq: number
  unread: number
  update_date: string
}

export interface ChatList {
  results: ChatSummary[]
  next: string | null
}

export interface ChatDetail {
  uri: string
  owner: User
  members: User[]
  last_seq: number
  epoch: string
}

export interface MessagePage {
  messages: Message[]
  has_more: boolean
}

export interface Joined {
  members: User[]
  message: string
  user: User
}

export type MessageFrame = { type: 'message' } & Message

export type ChatFrame =
  | MessageFrame
  | { type: 'ready'; seq: number; epoch: string }
  | { type: 'reset'; seq: number; epoch: string }
  | { type: 'ack'; client_id: string | null; seq: number; id: number }
  | { type: 'presence'; online: User[] }
  | { type: 'typing'; user: User }
  | { type: 'read'; user: User; seq: number }
  | { type: 'members'; members: User[] }
  | { type: 'error'; code: string; detail: string; client_id?: string | null }

export type InboxFrame =
  | { type: 'chat'; uri: string; last_message: Message | null; last_seq: number; unread: number }
  | { type: 'left'; uri: string }

export type ClientFrame =
  | { type: 'message'; message: string; client_id: string }
  | { type: 'typing' }
  | { type: 'read'; seq: number }
  | { type: 'auth'; token: string }

/** The longest message the server takes, in code points. */
export const MESSAGE_LIMIT = 2000

/** The most messages the server gives in one page. */
export const PAGE_LIMIT = 200

/** Why the server closed a socket. */
export const CloseCode = {
  badFrame: 4400,
  unauthenticated: 4401,
  notMember: 4403,
  noSuchChat: 4404,
  tooBig: 4413,
  tooFast: 4429,
  restarting: 1012,
} as const
