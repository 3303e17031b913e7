/**
 * Gets own messages to the server, in the order they were written: over the socket while it is
 * live, over HTTP, one after another, while it is not. Repeating one is harmless: it carries its
 * `client_id`.
 */

import { ApiError, sentence } from '@/api/errors'
import type { ClientFrame, Message } from '@/contract'
import { backoff } from '@/realtime/backoff'

import type { Entry, Outbox } from './outbox'

export interface DeliveryOptions {
  outbox: Outbox
  /** Sends a frame; false when the socket is not open. */
  send: (frame: ClientFrame) => boolean
  /** Posts over HTTP; raises ApiError. */
  post: (text: string, clientId: string, signal: AbortSignal) => Promise<Message>
  /** A message that HTTP answered: the history wants it. */
  onPosted: (message: Message) => void
  /** The socket took a message and stays silent: it is dead. */
  onSilence: () => void
}

/** A committed message is acknowledged within milliseconds; after this the socket counts as dead. */
const ACK_DEADLINE_MS = 8_000

export class Delivery {
  private readonly options: DeliveryOptions
  private live = false
  private stopped = false
  private attempt = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private posting: AbortController | null = null
  /** Sent over the present socket and not acknowledged yet. */
  private readonly underway = new Set<string>()
  private silence: ReturnType<typeof setTimeout> | undefined

  constructor(options: DeliveryOptions) {
    this.options = options
  }

  submit(text: string): Entry {
    const entry = this.options.outbox.add(text)
    this.pump()
    return entry
  }

  retry(clientId: string): void {
    this.options.outbox.sending(clientId)
    this.attempt = 0
    this.pump()
  }

  /** The socket is live: what is unsent goes over it. */
  up(): void {
    this.live = true
    this.attempt = 0
    this.posting?.abort()
    this.underway.clear()
    this.pump()
  }

  /** The socket is gone: what it did not acknowledge goes over HTTP. */
  down(): void {
    this.live = false
    clearTimeout(this.silence)
    this.pump()
  }

  stop(): void {
    this.stopped = true
    clearTimeout(this.timer)
    clearTimeout(this.silence)
    this.posting?.abort()
  }

  /** The server has committed it. */
  acknowledged(clientId: string): void {
    this.attempt = 0
    this.settled(clientId)
    this.options.outbox.sent(clientId)
  }

  /** The history shows it. */
  shown(clientId: string): void {
    this.settled(clientId)
    this.options.outbox.remove(clientId)
  }

  /** The server could not store it just now: it is sent again by itself. */
  unavailable(clientId: string, reason: string): void {
    this.settled(clientId)
    this.options.outbox.failed(clientId, reason, false)
    this.later(null)
  }

  /** The server refused it and says why. */
  refused(clientId: string, reason: string): void {
    this.settled(clientId)
    this.options.outbox.failed(clientId, reason, true)
  }

  private settled(clientId: string): void {
    if (!this.underway.delete(clientId)) return
    clearTimeout(this.silence)
    if (this.underway.size > 0) this.listenForSilence()
  }

  private pump(): void {
    if (this.stopped) return
    if (this.live) this.sendAll()
    else if (!this.posting) void this.postAll()
  }

  private sendAll(): void {
    for (const entry of [...this.options.outbox.entries]) {
      if (entry.state === 'sent' || entry.refused || this.underway.has(entry.clientId)) continue
      const { clientId, text } = entry
      if (!this.options.send({ type: 'message', message: text, client_id: clientId })) return
      if (entry.state === 'failed') this.options.outbox.sending(clientId)
      this.underway.add(clientId)
      this.listenForSilence()
    }
  }

  private listenForSilence(): void {
    clearTimeout(this.silence)
    this.silence = setTimeout(() => {
      if (this.underway.size > 0) this.options.onSilence()
    }, ACK_DEADLINE_MS)
  }

  private async postAll(): Promise<void> {
    clearTimeout(this.timer)
    const { outbox } = this.options
    const posting = new AbortController()
    this.posting = posting
    try {
      for (;;) {
        const next = outbox.entries.find((entry) => entry.state !== 'sent' && !entry.refused)
        if (!next || this.live || this.stopped) break
        const done = await this.postOne(next, posting.signal)
        if (!done) break
      }
    } finally {
      this.posting = null
    }
    // The socket came back while a post was under way, and may be gone again by now.
    if (posting.signal.aborted) this.pump()
  }

  /** Posts one; false when there is no use in going on now. */
  private async postOne(entry: Entry, signal: AbortSignal): Promise<boolean> {
    const { outbox } = this.options
    if (entry.state === 'failed') outbox.sending(entry.clientId)
    try {
      const message = await this.options.post(entry.text, entry.clientId, signal)
      this.attempt = 0
      outbox.sent(entry.clientId)
      this.options.onPosted(message)
      return true
    } catch (error) {
      if (signal.aborted) return false
      const passing = error instanceof ApiError && (error.passing || error.status === 401)
      outbox.failed(entry.clientId, sentence(error), !passing)
      if (!passing) return true
      this.later(error instanceof ApiError ? error.retryAfter : null)
      return false
    }
  }

  private later(retryAfter: number | null): void {
    const delay = Math.max(backoff(this.attempt), (retryAfter ?? 0) * 1000)
    this.attempt += 1
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.pump()
    }, delay)
  }
}
