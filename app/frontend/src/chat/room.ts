/**
 * One open chat: its history, who is there, and the socket that keeps both up to date. The table
 * of the server is the truth; whatever the socket missed is fetched over HTTP.
 */

import { computed, ref, shallowReactive, shallowRef } from 'vue'

import { ApiError, sentence } from '@/api/errors'
import type { ChatCalls } from '@/api/chats'
import { CloseCode, PAGE_LIMIT } from '@/contract'
import type { Account, ChatFrame, Message, User } from '@/contract'
import { backoff } from '@/realtime/backoff'
import { Connection } from '@/realtime/connection'
import type { ConnectionOptions, Credentials, Line } from '@/realtime/connection'

import { Delivery } from './delivery'
import { MessageLog } from './log'
import { Outbox } from './outbox'
import { Typing } from './typing'

/** Why the chat cannot be shown (any more). */
export type Obstacle = 'no-such-chat' | 'not-a-member' | 'away'

export interface RoomOptions {
  uri: string
  me: Account
  calls: ChatCalls
  credentials: Credentials
  /** Whether it is already known that one is a member, so that joining can be left out. */
  member: boolean
  connection?: Pick<ConnectionOptions, 'connect' | 'wakeups' | 'random'>
}

/** When nothing was heard for so long, a call over HTTP makes sure that nothing was missed. */
const SILENCE_MS = 45_000

/** Reading is told at most this often. */
const READ_EVERY_MS = 400

export class Room {
  readonly uri: string
  readonly me: Account
  readonly log = new MessageLog()
  readonly outbox: Outbox
  readonly typing = new Typing()
  readonly owner = shallowRef<User | null>(null)
  readonly members = shallowRef<User[]>([])
  readonly online = shallowRef<User[]>([])
  /** How far each other member has read, by user id; known from what was heard since opening. */
  readonly reads = shallowReactive(new Map<number, number>())
  readonly loaded = ref(false)
  readonly loadingOlder = ref(false)
  readonly obstacle = ref<Obstacle | null>(null)
  /** The sentence of what last went wrong on the side, for a quiet line. */
  readonly trouble = ref('')
  readonly line = ref<Line>('connecting')
  /** Whether everything up to now is here and what follows comes by itself. */
  readonly live = ref(false)
  readonly lastSeq = computed(() => this.log.messages.value.at(-1)?.seq ?? 0)

  private readonly calls: ChatCalls
  private readonly connection: Connection
  private readonly delivery: Delivery
  private readonly arrivals = new Set<(messages: readonly Message[]) => void>()
  private readonly knownMember: boolean
  private epoch = ''
  private closed = false
  private leaving = false
  private repairing = false
  /** Grows whenever the history is dropped: pages asked for before are void. */
  private history = 0
  private attempt = 0
  private openTimer: ReturnType<typeof setTimeout> | undefined
  private silenceTimer: ReturnType<typeof setTimeout> | undefined
  private readTimer: ReturnType<typeof setTimeout> | undefined
  private readSeq = 0
  private toldSeq = 0

  constructor({ uri, me, calls, credentials, member, connection }: RoomOptions) {
    this.uri = uri
    this.me = me
    this.calls = calls
    this.knownMember = member
    this.outbox = new Outbox(me.id, uri)
    this.connection = new Connection({
      ...connection,
      credentials,
      path: () => {
        const query = new URLSearchParams({ after: String(this.log.last), epoch: this.epoch })
        return `/ws/chats/${encodeURIComponent(uri)}/?${query.toString()}`
      },
      onFrame: (frame) => {
        this.hear(frame as ChatFrame)
      },
      onLine: (line, code) => {
        this.lineChanged(line, code)
      },
      onRefused: (code) => {
        // One's own going closes the socket, often before the call for it is answered.
        if (this.leaving) return
        this.stopAt(code === CloseCode.noSuchChat ? 'no-such-chat' : 'not-a-member')
      },
    })
    this.delivery = new Delivery({
      outbox: this.outbox,
      send: (frame) => this.connection.send(frame),
      post: (text, clientId, signal) => calls.post(uri, text, clientId, signal),
      onPosted: (message) => {
        this.receive([message])
      },
      onSilence: () => {
        this.connection.restart()
      },
    })
  }

  /** Joins where needed, fetches the newest page, then follows what happens. Never raises. */
  async open(): Promise<void> {
    clearTimeout(this.openTimer)
    this.obstacle.value = null
    try {
      if (!this.knownMember) await this.calls.join(this.uri, this.me.username)
      const [detail, page] = await Promise.all([
        this.calls.detail(this.uri),
        this.calls.messages(this.uri),
      ])
      if (this.closed) return
      this.owner.value = detail.owner
      this.members.value = detail.members
      this.epoch = detail.epoch
      this.settle(this.log.load(page.messages, page.has_more), page.messages)
      this.loaded.value = true
      this.attempt = 0
    } catch (error) {
      this.openFailed(error)
      return
    }
    this.connection.start()
    this.delivery.down()
  }

  /** Leaves the page's chat; what is unsent still goes out over HTTP. */
  close(): void {
    this.closed = true
    this.stopTimers()
    this.connection.stop()
    this.typing.clear()
    this.delivery.down()
  }

  /** Gives up the unsent messages as well: the person has signed out. */
  abandon(): void {
    this.close()
    this.delivery.stop()
  }

  /** Calls `listener` with messages that joined the history while it was open. */
  onArrival(listener: (messages: readonly Message[]) => void): () => void {
    this.arrivals.add(listener)
    return () => this.arrivals.delete(listener)
  }

  say(text: string): void {
    this.typing.finished()
    this.delivery.submit(text)
  }

  retry(clientId: string): void {
    this.delivery.retry(clientId)
    this.connection.retryNow()
  }

  discard(clientId: string): void {
    this.outbox.remove(clientId)
  }

  reconnect(): void {
    this.connection.retryNow()
  }

  pressedKey(): void {
    this.typing.pressed(() => this.connection.send({ type: 'typing' }))
  }

  /** The newest message is before the reader's eyes. */
  markRead(): void {
    this.readSeq = Math.max(this.readSeq, this.lastSeq.value)
    if (this.readSeq > this.toldSeq) this.readTimer ??= setTimeout(this.tellRead, READ_EVERY_MS)
  }

  /** Fetches one page of older history; quietly does nothing where there is none. */
  async loadOlder(): Promise<void> {
    if (this.loadingOlder.value || !this.log.hasOlder.value || !this.loaded.value) return
    this.loadingOlder.value = true
    const { history } = this
    try {
      const page = await this.calls.messages(this.uri, { before: this.log.first })
      if (history === this.history) this.log.prepend(page.messages, page.has_more)
    } catch (error) {
      this.trouble.value = sentence(error)
    } finally {
      this.loadingOlder.value = false
    }
  }

  async add(username: string): Promise<string> {
    const joined = await this.calls.join(this.uri, username)
    this.members.value = joined.members
    return joined.message
  }

  async remove(username: string): Promise<void> {
    this.leaving = username === this.me.username
    try {
      await this.calls.remove(this.uri, username)
    } catch (error) {
      this.leaving = false
      throw error
    }
    this.members.value = this.members.value.filter((member) => member.username !== username)
  }

  private hear(frame: ChatFrame): void {
    this.listenForSilence()
    switch (frame.type) {
      case 'message':
        this.receive([frame])
        break
      case 'ready':
        this.epoch = frame.epoch
        this.goLive(frame.seq)
        break
      case 'reset':
        void this.startOver(frame.epoch, frame.seq)
        break
      case 'ack':
        if (frame.client_id !== null) this.delivery.acknowledged(frame.client_id)
        break
      case 'presence':
        this.online.value = frame.online
        break
      case 'typing':
        if (frame.user.id !== this.me.id) this.typing.heard(frame.user)
        break
      case 'read':
        this.heardRead(frame.user.id, frame.seq)
        break
      case 'members':
        this.members.value = frame.members
        break
      case 'error':
        if (frame.client_id) this.delivery.refused(frame.client_id, frame.detail)
        break
    }
  }

  private goLive(seq: number): void {
    this.live.value = true
    this.trouble.value = ''
    this.delivery.up()
    this.toldSeq = 0
    if (this.readSeq > 0) this.markRead()
    if (this.log.last < seq) void this.repair(seq)
  }

  /** What is held is of another history, or too old: drop it and begin with the newest page. */
  private async startOver(epoch: string, seq: number): Promise<void> {
    const history = (this.history += 1)
    this.epoch = epoch
    this.live.value = true
    this.log.clear()
    this.reads.clear()
    this.readSeq = 0
    for (let attempt = 0; ; attempt += 1) {
      try {
        const page = await this.calls.messages(this.uri)
        if (history !== this.history || this.closed) return
        this.settle(this.log.load(page.messages, page.has_more), page.messages)
        break
      } catch (error) {
        if (!(error instanceof ApiError) || !error.passing) {
          this.fail(error)
          return
        }
        await new Promise((resolve) => setTimeout(resolve, backoff(attempt)))
        if (history !== this.history || this.closed) return
      }
    }
    this.goLive(seq)
  }

  private receive(messages: readonly Message[]): void {
    this.settle(this.log.add(messages), messages)
    if (this.log.gap) void this.repair(0)
  }

  /** Takes own messages that have arrived out of the outbox, and tells who listens. */
  private settle(added: readonly Message[], seen: readonly Message[]): void {
    for (const message of [...seen, ...added]) {
      if (message.user.id === this.me.id) {
        if (message.client_id !== null) this.delivery.shown(message.client_id)
      } else {
        this.typing.stopped(message.user.id)
      }
    }
    if (this.loaded.value && added.length > 0) {
      for (const listener of this.arrivals) listener(added)
    }
  }

  /** Fetches what is missing between the history and `seq`, or what waits ahead of a gap. */
  private async repair(seq: number): Promise<void> {
    if (this.repairing) return
    this.repairing = true
    const { history } = this
    try {
      for (;;) {
        const after = this.log.last
        const page = await this.calls.messages(this.uri, { after, limit: PAGE_LIMIT })
        if (history !== this.history || this.closed) return
        this.settle(this.log.add(page.messages), page.messages)
        if (this.log.last >= seq && !this.log.gap) return
        if (page.messages.length === 0 || this.log.last === after) {
          // The server itself does not have them: its history is another one by now.
          this.log.forgetAhead()
          this.connection.restart()
          return
        }
      }
    } catch (error) {
      if (error instanceof ApiError && error.passing) this.connection.restart()
      else this.fail(error)
    } finally {
      this.repairing = false
    }
  }

  private lineChanged(line: Line, code: number | null): void {
    this.line.value = line
    if (line === 'open') {
      this.listenForSilence()
      return
    }
    if (this.live.value) this.delivery.down()
    this.live.value = false
    this.online.value = []
    this.typing.clear()
    clearTimeout(this.silenceTimer)
    // Where sockets do not get through at all, the history still grows with every try.
    // Not when signed out, though: HTTP would be refused just as well.
    const over = code === CloseCode.unauthenticated
    if (line === 'waiting' && !this.closed && !over) void this.catchUp()
  }

  /** Looks over HTTP for what the silent or missing socket did not bring. */
  private async catchUp(): Promise<void> {
    if (this.repairing || !this.loaded.value) return
    const { history } = this
    try {
      const after = this.log.last
      const page = await this.calls.messages(this.uri, { after, limit: PAGE_LIMIT })
      if (history !== this.history || this.closed) return
      const missed = page.messages.some((message) => message.seq > this.log.last)
      this.settle(this.log.add(page.messages), page.messages)
      if (missed && this.live.value) this.connection.restart()
    } catch (error) {
      const passing = error instanceof ApiError && error.passing
      if (!passing) this.fail(error)
      // No answer at all: the silent socket is as dead as the network.
      else if (error.status === 0 && this.live.value) this.connection.restart()
    }
  }

  private listenForSilence(): void {
    clearTimeout(this.silenceTimer)
    this.silenceTimer = setTimeout(() => {
      this.listenForSilence()
      if (document.visibilityState === 'visible') void this.catchUp()
    }, SILENCE_MS)
  }

  private heardRead(userId: number, seq: number): void {
    if (userId === this.me.id) return
    if (seq > (this.reads.get(userId) ?? 0)) this.reads.set(userId, seq)
  }

  private readonly tellRead = (): void => {
    this.readTimer = undefined
    const seq = this.readSeq
    if (seq <= this.toldSeq || this.closed) return
    this.toldSeq = seq
    if (this.connection.send({ type: 'read', seq })) return
    this.calls.read(this.uri, seq).catch(() => {
      this.toldSeq = 0
    })
  }

  private openFailed(error: unknown): void {
    if (this.closed) return
    this.fail(error)
    if (this.obstacle.value !== 'away') return
    this.openTimer = setTimeout(() => void this.open(), backoff(this.attempt) + 1000)
    this.attempt += 1
  }

  private fail(error: unknown): void {
    const status = error instanceof ApiError ? error.status : 0
    if (status === 404) this.stopAt('no-such-chat')
    else if (status === 403) this.stopAt('not-a-member')
    else if (!this.loaded.value && status !== 401) this.obstacle.value = 'away'
    this.trouble.value = sentence(error)
  }

  private stopAt(obstacle: Obstacle): void {
    this.obstacle.value = obstacle
    this.connection.stop()
    this.delivery.stop()
    this.stopTimers()
  }

  private stopTimers(): void {
    clearTimeout(this.openTimer)
    clearTimeout(this.silenceTimer)
    clearTimeout(this.readTimer)
  }
}
