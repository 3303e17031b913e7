/**
 * One open chat: its history, its outbox, who is there and has read how far, and the socket that
 * keeps them up to date.
 */

import { computed, ref, shallowRef } from 'vue'

import { ApiError, sentence } from '@/api/errors'
import type { ChatCalls } from '@/api/chats'
import { CloseCode } from '@/contract'
import type { Account, ChatFrame, Message, User } from '@/contract'
import { backoff } from '@/realtime/backoff'
import { Connection } from '@/realtime/connection'
import type { ConnectionOptions, Credentials, Line } from '@/realtime/connection'

import { Delivery } from './delivery'
import { History } from './history'
import { Outbox } from './outbox'
import { Reading } from './reading'
import { Typing } from './typing'

/** Why the chat cannot be shown (any more). */
export type Obstacle = 'no-such-chat' | 'not-a-member' | 'removed' | 'away'

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

export class Room {
  readonly uri: string
  readonly me: Account
  readonly history: History
  readonly reading: Reading
  readonly outbox: Outbox
  readonly typing = new Typing()
  readonly owner = shallowRef<User | null>(null)
  readonly members = shallowRef<User[]>([])
  readonly online = shallowRef<User[]>([])
  readonly others = computed(() => this.members.value.filter(({ id }) => id !== this.me.id))
  readonly loaded = ref(false)
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
  private wasLive = false
  private attempt = 0
  private openTimer: ReturnType<typeof setTimeout> | undefined
  private silenceTimer: ReturnType<typeof setTimeout> | undefined
  private peopleTimer: ReturnType<typeof setTimeout> | undefined

  constructor({ uri, me, calls, credentials, member, connection }: RoomOptions) {
    this.uri = uri
    this.me = me
    this.calls = calls
    this.knownMember = member
    this.outbox = new Outbox(me.id, uri)
    this.history = new History({
      fetch: (range) => calls.messages(uri, range),
      onMessages: (seen, added) => {
        this.settle(seen, added)
      },
      onStale: () => {
        this.connection.restart()
      },
      onFailure: (error) => {
        this.fail(error)
      },
    })
    this.reading = new Reading({
      others: this.others,
      tell: async (seq) => {
        if (!this.connection.send({ type: 'read', seq })) await calls.read(uri, seq)
      },
    })
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
        this.history.receive([message])
      },
      onSilence: () => {
        this.connection.restart()
      },
    })
  }

  get log(): History['log'] {
    return this.history.log
  }

  /** Joins where needed, fetches the newest page, then follows what happens. Never raises. */
  async open(): Promise<void> {
    clearTimeout(this.openTimer)
    this.obstacle.value = null
    try {
      if (!this.knownMember && !(await this.join())) return
      const [detail, page] = await Promise.all([
        this.calls.detail(this.uri),
        this.calls.messages(this.uri),
      ])
      if (this.closed) return
      this.owner.value = detail.owner
      this.members.value = detail.members
      this.epoch = detail.epoch
      this.history.load(page)
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
    this.reading.flush()
    this.end()
    this.delivery.down()
  }

  /** Gives up the unsent messages as well: the person has signed out. */
  abandon(): void {
    this.delivery.stop()
    this.end()
  }

  private end(): void {
    this.closed = true
    this.history.stop()
    this.stopTimers()
    this.connection.stop()
    this.typing.clear()
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
    this.reading.seen(this.lastSeq.value)
  }

  /** Fetches one page of older history; false where there is none, or it could not be had now. */
  async loadOlder(): Promise<boolean> {
    if (!this.loaded.value) return false
    try {
      const came = await this.history.loadOlder()
      if (came) this.trouble.value = ''
      return came
    } catch (error) {
      this.trouble.value = sentence(error)
      return false
    }
  }

  async add(username: string): Promise<void> {
    this.members.value = (await this.calls.join(this.uri, username)).members
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
        this.history.receive([frame])
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
        if (frame.user.id !== this.me.id) this.reading.heard(frame.user.id, frame.seq)
        break
      case 'members':
        this.members.value = frame.members
        break
      case 'error':
        if (!frame.client_id) break
        if (frame.code === 'unavailable') this.delivery.unavailable(frame.client_id, frame.detail)
        else this.delivery.refused(frame.client_id, frame.detail)
        break
    }
  }

  private goLive(seq: number): void {
    // What the socket does not repeat when it comes back. When it first comes, all was just asked.
    if (this.wasLive) void this.meetPeople()
    this.wasLive = true
    this.live.value = true
    this.trouble.value = ''
    this.delivery.up()
    this.reading.repeat()
    if (this.log.last < seq) void this.history.reach(seq)
  }

  /** Asks who is in the chat, as long as it is followed, until somebody has told. */
  private async meetPeople(attempt = 0): Promise<void> {
    const known = this.members.value
    try {
      const { owner, members } = await this.calls.detail(this.uri)
      // A frame, or the answer to a call, that came meanwhile is newer.
      if (this.closed || this.members.value !== known) return
      this.owner.value = owner
      this.members.value = members
    } catch (error) {
      if (!(error instanceof ApiError) || !error.passing) return
      this.peopleTimer = setTimeout(
        () => {
          if (this.live.value && this.members.value === known) void this.meetPeople(attempt + 1)
        },
        backoff(attempt) + (error.retryAfter ?? 1) * 1000,
      )
    }
  }

  /** What is held is of another history, or too old: drop it and begin with the newest page. */
  private async startOver(epoch: string, seq: number): Promise<void> {
    this.epoch = epoch
    this.live.value = true
    this.reading.forget()
    if (await this.history.startOver()) this.goLive(seq)
  }

  /** Takes own messages that have arrived out of the outbox, and tells who listens. */
  private settle(seen: readonly Message[], added: readonly Message[]): void {
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
    clearTimeout(this.peopleTimer)
    // Where sockets do not get through at all, the history still grows with every try.
    // Not when signed out, though: HTTP would be refused just as well.
    const over = code === CloseCode.unauthenticated
    if (line === 'waiting' && !this.closed && !over) void this.catchUp()
  }

  /** Looks over HTTP for what the silent or missing socket did not bring. */
  private async catchUp(): Promise<void> {
    if (this.loaded.value) await this.history.catchUp(() => this.live.value)
  }

  private listenForSilence(): void {
    clearTimeout(this.silenceTimer)
    this.silenceTimer = setTimeout(() => {
      this.listenForSilence()
      if (document.visibilityState === 'visible') void this.catchUp()
    }, SILENCE_MS)
  }

  /** Joins by the link, which whom the owner has removed may not: then false. */
  private async join(): Promise<boolean> {
    try {
      await this.calls.join(this.uri, this.me.username)
      return true
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 403) throw error
      this.stopAt('removed')
      return false
    }
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
    clearTimeout(this.peopleTimer)
    this.reading.stop()
  }
}
