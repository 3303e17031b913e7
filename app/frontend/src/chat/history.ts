/**
 * The messages of one chat, and how they are fetched over HTTP: the newest page, older ones, and
 * whatever the socket did not bring. The table of the server is the truth.
 */

import { ref } from 'vue'

import { ApiError } from '@/api/errors'
import type { Range } from '@/api/chats'
import { PAGE_LIMIT } from '@/contract'
import type { Message, MessagePage } from '@/contract'
import { backoff } from '@/realtime/backoff'

import { MessageLog } from './log'

export interface HistoryOptions {
  fetch: (range?: Range) => Promise<MessagePage>
  /** Messages came in; `added` are those that joined the log. */
  onMessages: (seen: readonly Message[], added: readonly Message[]) => void
  /** The server holds something else than the socket has told: the socket is not to be trusted. */
  onStale: () => void
  /** A call failed in a way that trying again does not mend. */
  onFailure: (error: unknown) => void
}

export class History {
  readonly log = new MessageLog()
  readonly loadingOlder = ref(false)

  private readonly options: HistoryOptions
  /** Grows whenever the messages are dropped: pages asked for before are void. */
  private edition = 0
  private repairing = false
  private stopped = false

  constructor(options: HistoryOptions) {
    this.options = options
  }

  stop(): void {
    this.stopped = true
  }

  /** Begins with the newest page. */
  load(page: MessagePage): void {
    this.options.onMessages(page.messages, this.log.load(page.messages, page.has_more))
  }

  /** Takes in what the socket, or the answer to a post, brought. */
  receive(messages: readonly Message[]): void {
    this.take(messages)
    if (this.log.gap) void this.reach(0)
  }

  /** Fetches one page of older messages; false where there is none to fetch. Raises ApiError. */
  async loadOlder(): Promise<boolean> {
    if (this.loadingOlder.value || !this.log.hasOlder.value) return false
    this.loadingOlder.value = true
    const { edition } = this
    try {
      const page = await this.options.fetch({ before: this.log.first })
      if (edition === this.edition) this.log.prepend(page.messages, page.has_more)
      return true
    } finally {
      this.loadingOlder.value = false
    }
  }

  /** Fetches what is missing up to `seq`, and what is missing before what waits ahead of a gap. */
  async reach(seq: number): Promise<void> {
    if (this.repairing) return
    this.repairing = true
    try {
      for (;;) {
        const after = this.log.last
        const page = await this.fetchAfter(after)
        if (!page) return
        this.take(page.messages)
        if (this.log.last >= seq && !this.log.gap) return
        if (page.messages.length === 0 || this.log.last === after) {
          // The server itself does not have them: its history is another one by now.
          this.log.forgetAhead()
          this.options.onStale()
          return
        }
      }
    } catch (error) {
      if (passing(error)) this.options.onStale()
      else this.options.onFailure(error)
    } finally {
      this.repairing = false
    }
  }

  /**
   * Looks for what a silent or missing socket did not bring. A socket that is `live` and yet has
   * missed something, or whose server does not answer at all, is stale.
   */
  async catchUp(live: () => boolean): Promise<void> {
    if (this.repairing) return
    try {
      const page = await this.fetchAfter(this.log.last)
      if (!page) return
      const missed = page.messages.some((message) => message.seq > this.log.last)
      this.take(page.messages)
      if (missed && live()) this.options.onStale()
    } catch (error) {
      if (!passing(error)) this.options.onFailure(error)
      else if (error.status === 0 && live()) this.options.onStale()
    }
  }

  /**
   * Drops everything and begins anew with the newest page, however often that has to be tried.
   * True when it was loaded; false when it cannot be, or a later call has taken over.
   */
  async startOver(): Promise<boolean> {
    const edition = (this.edition += 1)
    this.log.clear()
    for (let attempt = 0; ; attempt += 1) {
      try {
        const page = await this.options.fetch()
        if (this.isOver(edition)) return false
        this.load(page)
        return true
      } catch (error) {
        if (!passing(error)) {
          this.options.onFailure(error)
          return false
        }
        await new Promise((resolve) => setTimeout(resolve, backoff(attempt)))
        if (this.isOver(edition)) return false
      }
    }
  }

  private take(messages: readonly Message[]): void {
    this.options.onMessages(messages, this.log.add(messages))
  }

  /** A page of what follows `after`; null when nobody wants it any more. */
  private async fetchAfter(after: number): Promise<MessagePage | null> {
    const { edition } = this
    const page = await this.options.fetch({ after, limit: PAGE_LIMIT })
    return this.isOver(edition) ? null : page
  }

  private isOver(edition: number): boolean {
    return this.stopped || edition !== this.edition
  }
}

function passing(error: unknown): error is ApiError {
  return error instanceof ApiError && error.passing
}
