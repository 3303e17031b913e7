/**
 * The messages of one chat that this page holds: one run of `seq` without a gap, oldest first, none
 * twice. What arrives ahead of a gap waits until the gap is filled.
 */

import { shallowRef, triggerRef } from 'vue'

import type { Message } from '@/contract'

/** What became of a message that was handed in. */
export type Added = 'added' | 'known' | 'ahead'

export class MessageLog {
  /** The run. Replaced or grown in place; components watch the reference. */
  readonly messages = shallowRef<Message[]>([])
  /** Whether the server has messages older than the run. */
  readonly hasOlder = shallowRef(false)

  private readonly ahead = new Map<number, Message>()
  private lastSeq = 0
  private loading = false

  /** The newest `seq` up to which nothing is missing; 0 when there is none. */
  get last(): number {
    return this.lastSeq
  }

  /** The oldest `seq` held; 0 when the run is empty. */
  get first(): number {
    return this.messages.value[0]?.seq ?? 0
  }

  /** Whether messages wait ahead of a gap. */
  get gap(): boolean {
    return !this.loading && this.ahead.size > 0
  }

  /** Drops everything. Until `load`, live messages are kept aside. */
  clear(): void {
    this.messages.value = []
    this.hasOlder.value = false
    this.ahead.clear()
    this.lastSeq = 0
    this.loading = true
  }

  /** Begins the run with the newest page (oldest first), then adds what came meanwhile. */
  load(page: readonly Message[], hasOlder: boolean): Message[] {
    this.messages.value = [...page]
    this.hasOlder.value = hasOlder
    this.lastSeq = page.at(-1)?.seq ?? 0
    this.loading = false
    const added = this.drain()
    if (added.length > 0) triggerRef(this.messages)
    return added
  }

  /** Takes in newer messages, live or fetched. Returns those that joined the run. */
  add(messages: readonly Message[]): Message[] {
    const added: Message[] = []
    for (const message of messages) {
      if (this.place(message) === 'added') added.push(message, ...this.drain())
    }
    if (added.length > 0) triggerRef(this.messages)
    return added
  }

  /** Puts an older page (oldest first) before the run. */
  prepend(page: readonly Message[], hasOlder: boolean): void {
    const { first } = this
    const older = page.filter((message) => first === 0 || message.seq < first)
    this.messages.value = [...older, ...this.messages.value]
    this.hasOlder.value = hasOlder
    if (this.lastSeq === 0) this.lastSeq = older.at(-1)?.seq ?? 0
  }

  /** Forgets what waits ahead of a gap that the server does not fill. */
  forgetAhead(): void {
    this.ahead.clear()
  }

  private place(message: Message): Added {
    if (!this.loading && message.seq === this.lastSeq + 1) {
      this.append(message)
      return 'added'
    }
    if (message.seq <= this.lastSeq) return 'known'
    this.ahead.set(message.seq, message)
    return 'ahead'
  }

  private append(message: Message): void {
    this.messages.value.push(message)
    this.lastSeq = message.seq
  }

  private drain(): Message[] {
    const drained: Message[] = []
    for (const seq of [...this.ahead.keys()].sort((one, other) => one - other)) {
      const message = this.ahead.get(seq)
      if (!message || seq > this.lastSeq + 1) break
      this.ahead.delete(seq)
      if (seq <= this.lastSeq) continue
      this.append(message)
      drained.push(message)
    }
    return drained
  }
}
