/**
 * Which part of the history is in the page. However long the history, the page holds a bounded
 * number of messages: the part that is looked at, and some more on both sides.
 */

import { computed, ref } from 'vue'

import type { Message } from '@/contract'

import type { MessageLog } from './log'

/** How many messages the page holds at first: the newest, several screens of them. */
const AT_FIRST = 60

/** How many come in at once while one scrolls: little enough to render within one frame. */
const STEP = 20

/** The most messages in the page. More would make each layout slow; a screen shows 20 to 60. */
export const MOST = 180

export class MessageWindow {
  /** Whether the newest message belongs to the window, and those that come. */
  readonly following = ref(true)

  /** The messages in the page, oldest first. */
  readonly messages = computed<readonly Message[]>(() => {
    const held = this.log.messages.value
    const first = held[0]?.seq ?? 0
    return held.slice(Math.max(0, this.from.value - first), this.to.value - first + 1)
  })

  /** Whether older messages than those in the page are at hand. */
  readonly olderHeld = computed(() => {
    const first = this.log.messages.value[0]?.seq ?? 0
    return first > 0 && this.from.value > first
  })

  private readonly log: MessageLog
  /** The `seq` of the oldest message in the page. */
  private readonly from = ref(0)
  /** The `seq` of the newest; infinite while following. */
  private readonly to = ref(Number.POSITIVE_INFINITY)

  constructor(log: MessageLog) {
    this.log = log
  }

  /** How many held messages lie before the window. */
  get before(): number {
    return this.log.first === 0 ? 0 : Math.max(0, this.from.value - this.log.first)
  }

  /** Shows the newest messages and follows. */
  toNewest(): void {
    this.from.value = Math.max(this.log.first, this.log.last - AT_FIRST + 1)
    this.to.value = Number.POSITIVE_INFINITY
    this.following.value = true
  }

  /** Takes in older messages at the top; lets go of newer ones at the bottom. */
  older(): void {
    this.from.value = Math.max(this.log.first, this.from.value - STEP)
    if (this.end() - this.from.value < MOST) return
    this.to.value = this.from.value + MOST - 1
    this.following.value = false
  }

  /** Takes in newer messages at the bottom; lets go of older ones at the top. */
  newer(): void {
    if (this.following.value) return
    this.to.value += STEP
    if (this.to.value >= this.log.last) {
      this.to.value = Number.POSITIVE_INFINITY
      this.following.value = true
    }
    this.from.value = Math.max(this.from.value, this.end() - MOST + 1)
  }

  /**
   * Messages have arrived. A reader at the bottom moves on with them; for one who has scrolled up
   * nothing may move, so a full window stops following instead.
   */
  grown(atBottom: boolean): void {
    if (!this.following.value || this.end() - this.from.value < MOST) return
    if (atBottom) {
      this.from.value = this.end() - MOST + STEP + 1
    } else {
      this.to.value = this.from.value + MOST - 1
      this.following.value = false
    }
  }

  private end(): number {
    return Math.min(this.to.value, this.log.last)
  }
}
