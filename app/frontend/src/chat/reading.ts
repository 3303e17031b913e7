/** How far each has read: telling the others how far one has oneself, and hearing it of them. */

import { computed, shallowReactive } from 'vue'
import type { Ref } from 'vue'

import type { User } from '@/contract'

export interface ReadingOptions {
  /** Everybody in the chat but oneself. */
  others: Ref<readonly User[]>
  /** Tells the server; settles when it knows, fails when it could not be told. */
  tell: (seq: number) => Promise<void>
}

/** Reading is told at most this often. */
const TELL_EVERY_MS = 400

export class Reading {
  /** Everybody else has read up to here: the least of what is known of each. */
  readonly upTo = computed(() => {
    const seqs = this.options.others.value.map(({ id }) => this.marks.get(id) ?? 0)
    return seqs.length === 0 ? 0 : Math.min(...seqs)
  })

  private readonly options: ReadingOptions
  /** By user id, as the server has told. */
  private readonly marks = shallowReactive(new Map<number, number>())
  private timer: ReturnType<typeof setTimeout> | undefined
  private seenSeq = 0
  private toldSeq = 0

  constructor(options: ReadingOptions) {
    this.options = options
  }

  /** The names of the others who have read up to `seq`. */
  by(seq: number): string[] {
    return this.options.others.value
      .filter(({ id }) => (this.marks.get(id) ?? 0) >= seq)
      .map(({ username }) => username)
  }

  /** Somebody else has read up to `seq`. */
  heard(userId: number, seq: number): void {
    if (seq > (this.marks.get(userId) ?? 0)) this.marks.set(userId, seq)
  }

  /** What stands up to `seq` is before the reader's eyes. */
  seen(seq: number): void {
    this.seenSeq = Math.max(this.seenSeq, seq)
    if (this.seenSeq > this.toldSeq) this.timer ??= setTimeout(this.tell, TELL_EVERY_MS)
  }

  /** What was told may have been lost with its connection: tell it again. */
  repeat(): void {
    this.toldSeq = 0
    if (this.seenSeq > 0) this.seen(this.seenSeq)
  }

  /** The numbers stand for other messages now. */
  forget(): void {
    this.marks.clear()
    this.seenSeq = 0
  }

  /** Tells now what waits to be told. */
  flush(): void {
    if (this.timer === undefined) return
    clearTimeout(this.timer)
    this.tell()
  }

  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }

  private readonly tell = (): void => {
    this.timer = undefined
    const seq = this.seenSeq
    if (seq <= this.toldSeq) return
    this.toldSeq = seq
    this.options.tell(seq).catch(() => {
      this.toldSeq = 0
    })
  }
}
