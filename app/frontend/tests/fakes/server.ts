/**
 * A chat server of one chat, in memory: it keeps the promises of the contract, and breaks them only
 * where a test asks for it.
 */

import { ApiError } from '@/api/errors'
import type { ChatCalls } from '@/api/chats'
import type { ChatFrame, ClientFrame, Message, User } from '@/contract'
import type { Credentials, Socket } from '@/realtime/connection'
import type { Wakeups } from '@/realtime/wakeups'

export const ANN = user(1, 'ann')
export const BOB = user(2, 'bob')
export const ME = { id: ANN.id, username: ANN.username, email: 'ann@example.org' }

/** More missed messages than this are not replayed: the server says `reset`. */
const REPLAY_LIMIT = 1000

export function user(id: number, username: string): User {
  return { id, username, first_name: '', last_name: '' }
}

export function message(seq: number, from = BOB, changes: Partial<Message> = {}): Message {
  return {
    id: seq + 1000,
    seq,
    uri: 'room',
    user: from,
    message: `message ${String(seq)}`,
    client_id: null,
    create_date: new Date(Date.UTC(2026, 0, 5, 12, 0, seq)).toISOString(),
    ...changes,
  }
}

export class FakeSocket implements Socket {
  onopen: Socket['onopen'] = null
  onmessage: Socket['onmessage'] = null
  onclose: Socket['onclose'] = null
  readonly sent: ClientFrame[] = []
  readonly url: URL
  readonly protocols: string[]
  state: 'connecting' | 'open' | 'closed' = 'connecting'
  private readonly server: FakeServer

  constructor(server: FakeServer, url: string, protocols: string[]) {
    this.server = server
    this.url = new URL(url)
    this.protocols = protocols
  }

  send(data: string): void {
    const frame = JSON.parse(data) as ClientFrame
    this.sent.push(frame)
    this.server.hear(this, frame)
  }

  close(): void {
    this.state = 'closed'
  }

  /** The server's side: opens, sends, closes. A socket that was let go hears nothing. */
  open(): void {
    if (this.state !== 'connecting') return
    this.state = 'open'
    this.onopen?.(new Event('open'))
  }

  push(frame: unknown): void {
    if (this.state !== 'open') return
    this.onmessage?.(new MessageEvent('message', { data: JSON.stringify(frame) }))
  }

  end(code: number): void {
    if (this.state === 'closed') return
    this.state = 'closed'
    this.onclose?.(new CloseEvent('close', { code }))
  }
}

export class FakeServer {
  history: Message[] = []
  epoch = 'first'
  owner = ANN
  members = [ANN, BOB]
  /** Whether sockets get through, and whether HTTP does. */
  socketsUp = true
  httpUp = true
  /** Whether what is sent over a socket gets an answer. */
  silent = false
  /** Whether committed messages are pushed to the sockets. */
  hints = true
  /** What the next HTTP call fails with. */
  refuseNext: ApiError | null = null
  readonly sockets: FakeSocket[] = []
  /** Every HTTP call, as "name argument". */
  readonly asked: string[] = []
  readonly readMarks: number[] = []

  readonly connect = (url: string, protocols: string[]): Socket => {
    const socket = new FakeSocket(this, url, protocols)
    this.sockets.push(socket)
    setTimeout(() => {
      if (!this.socketsUp) socket.end(1006)
      else this.welcome(socket)
    }, 1)
    return socket
  }

  readonly calls: ChatCalls = {
    start: () => this.answer('start', () => 'room'),
    list: () => this.answer('list', () => ({ results: [], next: null })),
    detail: () =>
      this.answer('detail', () => ({
        uri: 'room',
        owner: this.owner,
        members: this.members,
        last_seq: this.history.length,
        epoch: this.epoch,
      })),
    join: (_uri, username) =>
      this.answer(`join ${username}`, () => ({
        members: this.members,
        message: `${username} joined the chat`,
        user: ANN,
      })),
    remove: (_uri, username) => this.answer(`remove ${username}`, () => undefined),
    messages: (_uri, range = null) =>
      this.answer(`messages ${JSON.stringify(range)}`, () => {
        if (range && 'after' in range) {
          const newer = this.history.filter(({ seq }) => seq > range.after)
          return { messages: newer.slice(0, range.limit), has_more: newer.length > range.limit }
        }
        const older = this.history.filter(({ seq }) => !range || seq < range.before)
        return { messages: older.slice(-50), has_more: older.length > 50 }
      }),
    post: (_uri, text, clientId) =>
      this.answer(`post ${text}`, () => this.commit(ANN, text, clientId)),
    read: (_uri, seq) => this.answer(`read ${String(seq)}`, () => undefined),
  }

  /** The socket that is open now; fails where there is none. */
  get socket(): FakeSocket {
    const open = this.sockets.findLast((socket) => socket.state === 'open')
    if (!open) throw new Error('No socket is open.')
    return open
  }

  /** Writes `count` messages by Bob that nobody is told of. */
  fill(count: number): void {
    for (let index = 0; index < count; index += 1) {
      this.history.push(message(this.history.length + 1))
    }
  }

  /** Commits a message, the same `client_id` only once, and pushes it to the open sockets. */
  commit(from: User, text: string, clientId: string | null = null): Message {
    const first = this.history.find(
      (one) => clientId !== null && one.client_id === clientId && one.user.id === from.id,
    )
    if (first) return first
    const seq = this.history.length + 1
    const committed = message(seq, from, {
      message: text,
      client_id: clientId,
      create_date: new Date().toISOString(),
    })
    this.history.push(committed)
    if (this.hints) this.push({ type: 'message', ...committed })
    return committed
  }

  push(frame: ChatFrame): void {
    for (const socket of this.sockets) socket.push(frame)
  }

  hear(socket: FakeSocket, frame: ClientFrame): void {
    if (this.silent) return
    if (frame.type === 'read') this.readMarks.push(frame.seq)
    if (frame.type !== 'message') return
    const { seq, id } = this.commit(ANN, frame.message, frame.client_id)
    setTimeout(() => {
      socket.push({ type: 'ack', client_id: frame.client_id, seq, id })
    }, 1)
  }

  private welcome(socket: FakeSocket): void {
    socket.open()
    const after = Number(socket.url.searchParams.get('after'))
    const epoch = socket.url.searchParams.get('epoch')
    const seq = this.history.length
    if (epoch !== this.epoch || after > seq || seq - after > REPLAY_LIMIT) {
      socket.push({ type: 'reset', seq, epoch: this.epoch })
      return
    }
    for (const missed of this.history.slice(after)) socket.push({ type: 'message', ...missed })
    socket.push({ type: 'ready', seq, epoch: this.epoch })
  }

  private async answer<T>(name: string, make: () => T): Promise<T> {
    this.asked.push(name)
    await new Promise((resolve) => setTimeout(resolve, 1))
    if (!this.httpUp) throw new ApiError(0, 'No answer.')
    if (this.refuseNext) {
      const refusal = this.refuseNext
      this.refuseNext = null
      throw refusal
    }
    return make()
  }
}

export class FakeCredentials implements Credentials {
  /** The tokens that were refused, in order. */
  readonly refused: (string | undefined)[] = []
  current = 'token-1'
  private listener: ((token: string) => void) | null = null

  token(refused?: string): Promise<string> {
    this.refused.push(refused)
    if (refused === this.current) this.current = `${refused}+`
    return Promise.resolve(this.current)
  }

  onRenewed(listener: (token: string) => void): () => void {
    this.listener = listener
    return () => {
      this.listener = null
    }
  }

  renew(token: string): void {
    this.current = token
    this.listener?.(token)
  }
}

export class FakeWakeups implements Wakeups {
  wake: () => void = () => undefined
  lose: () => void = () => undefined

  onWake(wake: () => void): () => void {
    this.wake = wake
    return () => undefined
  }

  onOffline(lose: () => void): () => void {
    this.lose = lose
    return () => undefined
  }
}
