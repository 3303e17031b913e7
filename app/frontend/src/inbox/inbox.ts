/** The list of one's chats, kept up to date over its own socket. */

import { computed, ref, shallowRef } from 'vue'

import { ApiError, sentence } from '@/api/errors'
import { cursorOf } from '@/api/chats'
import type { ChatCalls } from '@/api/chats'
import type { Account, ChatList, ChatSummary, InboxFrame, Message } from '@/contract'
import { backoff } from '@/realtime/backoff'
import { Connection } from '@/realtime/connection'
import type { ConnectionOptions, Credentials } from '@/realtime/connection'

export interface InboxOptions {
  me: Account
  calls: ChatCalls
  credentials: Credentials
  connection?: Pick<ConnectionOptions, 'connect' | 'wakeups' | 'random'>
}

/** When nothing was heard for so long, a call makes sure that the socket is not dead. */
const SILENCE_MS = 60_000

export class Inbox {
  /** Newest activity first. */
  readonly chats = computed(() =>
    [...this.rows.value.values()].sort((one, other) =>
      other.update_date.localeCompare(one.update_date),
    ),
  )
  /** The chat whose newest message is before the reader's eyes: nothing in it is unread. */
  readonly attended = ref<string | null>(null)
  readonly unread = computed(() => {
    const others = this.chats.value.filter((chat) => chat.uri !== this.attended.value)
    return others.reduce((sum, chat) => sum + chat.unread, 0)
  })
  readonly loaded = ref(false)
  readonly trouble = ref('')
  readonly hasMore = ref(false)
  /** Settles when the list was fetched for the first time, or could not be. */
  readonly ready: Promise<void>

  private readonly options: InboxOptions
  private readonly connection: Connection
  private readonly rows = shallowRef(new Map<string, ChatSummary>())
  private readonly arrivals = new Set<(message: Message) => void>()
  private cursor: string | null = null
  private markReady: () => void = () => undefined
  private attempt = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private silenceTimer: ReturnType<typeof setTimeout> | undefined
  private stopped = false
  private live = false

  constructor(options: InboxOptions) {
    this.options = options
    this.ready = new Promise((resolve) => {
      this.markReady = resolve
    })
    this.connection = new Connection({
      ...options.connection,
      credentials: options.credentials,
      path: () => '/ws/inbox/',
      // What changed while no socket was open is in the list.
      onOpen: () => {
        this.listenForSilence()
        void this.fetch()
      },
      onLine: (line) => {
        this.live = line === 'open'
        clearTimeout(this.silenceTimer)
      },
      onFrame: (frame) => {
        this.listenForSilence()
        this.hear(frame as InboxFrame)
      },
    })
  }

  start(): void {
    void this.fetch()
    this.connection.start()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    clearTimeout(this.silenceTimer)
    this.connection.stop()
  }

  find(uri: string): ChatSummary | undefined {
    return this.rows.value.get(uri)
  }

  /** One has read a chat up to `seq`; the server is told by the chat itself. */
  seen(uri: string, seq: number): void {
    const chat = this.rows.value.get(uri)
    if (!chat || chat.unread === 0 || chat.last_seq > seq) return
    this.rows.value = new Map(this.rows.value).set(uri, { ...chat, unread: 0 })
  }

  /** Calls `listener` with each message by somebody else that the socket brings. */
  onArrival(listener: (message: Message) => void): () => void {
    this.arrivals.add(listener)
    return () => this.arrivals.delete(listener)
  }

  /** Fetches the list anew, unless the socket keeps it up to date. */
  refresh(): void {
    if (this.loaded.value && !this.live) void this.fetch()
  }

  /** Fetches the newest page of the list; tries again by itself when that fails. */
  async fetch(): Promise<void> {
    clearTimeout(this.timer)
    const before = this.rows.value
    try {
      const page = await this.options.calls.list()
      if (this.stopped) return
      this.prune(before, page)
      this.merge(page.results, before)
      if (!this.loaded.value) this.setCursor(page.next)
      this.loaded.value = true
      this.trouble.value = ''
      this.attempt = 0
    } catch (error) {
      if (this.stopped) return
      this.trouble.value = sentence(error)
      this.timer = setTimeout(() => void this.fetch(), backoff(this.attempt) + 1000)
      this.attempt += 1
    }
    this.markReady()
  }

  private listenForSilence(): void {
    clearTimeout(this.silenceTimer)
    this.silenceTimer = setTimeout(() => {
      this.listenForSilence()
      if (document.visibilityState === 'visible') void this.doubt()
    }, SILENCE_MS)
  }

  /** A socket that has not told what the list holds, or whose server does not answer, is dead. */
  private async doubt(): Promise<void> {
    const before = this.rows.value
    let dead: boolean
    try {
      const page = await this.options.calls.list()
      dead = page.results.some(({ uri, last_seq }) => last_seq > (this.find(uri)?.last_seq ?? 0))
      if (this.stopped) return
      this.prune(before, page)
      this.merge(page.results, before)
    } catch (error) {
      dead = error instanceof ApiError && error.status === 0
    }
    if (dead && this.live) this.connection.restart()
  }

  async fetchMore(): Promise<void> {
    if (this.cursor === null) return
    const before = this.rows.value
    try {
      const page = await this.options.calls.list(this.cursor)
      this.merge(page.results, before)
      this.setCursor(page.next)
      this.trouble.value = ''
    } catch (error) {
      this.trouble.value = sentence(error)
    }
  }

  /** Takes out what the page should have held, had it still been one's own before the call. */
  private prune(before: ReadonlyMap<string, ChatSummary>, page: ChatList): void {
    const oldest = page.next === null ? '' : (page.results.at(-1)?.update_date ?? '')
    const kept = new Set(page.results.map((chat) => chat.uri))
    const rows = new Map(this.rows.value)
    for (const [uri, chat] of before) {
      const unchanged = rows.get(uri) === chat
      if (unchanged && !kept.has(uri) && chat.update_date > oldest) rows.delete(uri)
    }
    this.rows.value = rows
  }

  private setCursor(next: string | null): void {
    this.cursor = cursorOf(next)
    this.hasMore.value = this.cursor !== null
  }

  /** Takes an answer in; `before` is what was held when it was asked for. */
  private merge(chats: readonly ChatSummary[], before: ReadonlyMap<string, ChatSummary>): void {
    const rows = new Map(this.rows.value)
    for (const chat of chats) {
      const held = rows.get(chat.uri)
      // A frame may have overtaken the answer. Else the answer holds, also where a restored
      // database has taken numbers back.
      const overtaken = held !== before.get(chat.uri) && (held?.last_seq ?? 0) > chat.last_seq
      if (!held || !overtaken) rows.set(chat.uri, chat)
      else rows.set(chat.uri, { ...held, owner: chat.owner })
    }
    this.rows.value = rows
  }

  private hear(frame: InboxFrame): void {
    const rows = new Map(this.rows.value)
    if (frame.type === 'left') {
      rows.delete(frame.uri)
      this.rows.value = rows
      return
    }
    const held = rows.get(frame.uri)
    if (held && held.last_seq > frame.last_seq) return
    const { uri, last_message, last_seq, unread } = frame
    rows.set(uri, {
      uri,
      owner: held?.owner ?? null,
      last_message,
      last_seq,
      unread,
      update_date: last_message?.create_date ?? held?.update_date ?? new Date().toISOString(),
    })
    this.rows.value = rows
    // The frame does not say whose chat a new one is; the list does.
    if (!held) void this.fetch()
    const grown = last_seq > (held?.last_seq ?? 0)
    if (grown && unread > 0 && last_message && last_message.user.id !== this.options.me.id) {
      for (const listener of this.arrivals) listener(last_message)
    }
  }
}
