/** Where one stands in the list of messages, and that one stays there whatever comes in. */

import { nextTick, onMounted, onScopeDispose, ref, watch } from 'vue'
import type { Ref } from 'vue'

import type { Room } from '@/chat/room'
import type { MessageWindow } from '@/chat/window'

export interface MessageScrollOptions {
  room: Room
  shown: MessageWindow
  /** The box that scrolls, and the one in it that grows. */
  scroller: Readonly<Ref<HTMLElement | null>>
  content: Readonly<Ref<HTMLElement | null>>
}

export interface MessageScroll {
  atBottom: Ref<boolean>
  /** While older history comes in, or the list is first filled, nothing is to be announced. */
  quiet: Ref<boolean>
  /** To be called when the reader has scrolled. */
  scrolled: () => void
  /** Goes to the end of what is in the page. */
  toBottom: () => void
  /** Goes to the newest message, wherever one is, and with the focus. */
  jumpToNewest: () => Promise<void>
}

/** Closer to the end than this counts as being there: about one line. */
const AT_BOTTOM_PX = 60

/** More is taken in, or fetched, when less than this is left to scroll. */
const NEAR_PX = 1200

/** Older history is fetched while at least this many messages are still before the window. */
const AHEAD = 80

export function useMessageScroll(options: MessageScrollOptions): MessageScroll {
  const { room, shown, scroller, content } = options
  const atBottom = ref(true)
  const quiet = ref(true)

  /** Where the box stood when it was last looked at. */
  let stood = 0

  function toBottom(): void {
    const box = scroller.value
    if (box) {
      box.scrollTop = box.scrollHeight
      stood = box.scrollTop
    }
    atBottom.value = true
  }

  async function toNewest(): Promise<void> {
    shown.toNewest()
    await nextTick()
    toBottom()
  }

  async function jumpToNewest(): Promise<void> {
    await toNewest()
    scroller.value?.focus()
  }

  /** Changes what is in the page so that what the reader sees stays where it is. */
  async function keepingPlace(change: () => void): Promise<void> {
    const box = scroller.value
    if (!box) return
    const anchor = firstInSight(box)
    const before = anchor?.getBoundingClientRect().top ?? 0
    quiet.value = true
    change()
    await nextTick()
    if (anchor?.isConnected) box.scrollTop += anchor.getBoundingClientRect().top - before
    stood = box.scrollTop
    quiet.value = false
  }

  let adjusting = false
  async function adjust(): Promise<void> {
    const box = scroller.value
    if (!box || adjusting) return
    adjusting = true
    const left = box.scrollHeight - box.scrollTop - box.clientHeight
    const movedUp = box.scrollTop < stood
    stood = box.scrollTop
    // Only the reader leaves the end. What has just grown below them, such as the words under a
    // message that could not be sent, is scrolled to once it is laid out.
    const stays = atBottom.value && shown.following.value && !movedUp
    atBottom.value = left < AT_BOTTOM_PX || stays
    // One step at a time, so that no frame has much to do: it moves the box, which comes back here
    // for the next one.
    if (box.scrollTop < NEAR_PX && shown.olderHeld.value) {
      await keepingPlace(() => {
        shown.older()
      })
    } else if (left < NEAR_PX && !shown.following.value) {
      await keepingPlace(() => {
        shown.newer()
      })
    }
    adjusting = false
    // Where that failed, the reader's next move or the next connection tries again.
    if (shown.before < AHEAD && box.scrollTop < NEAR_PX * 2 && (await room.loadOlder())) scrolled()
  }

  let frame = 0
  function scrolled(): void {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(() => void adjust())
  }

  watch(room.live, (live) => {
    if (live) scrolled()
  })

  // The history was dropped and begun anew: what is shown begins anew as well.
  watch(
    () => room.log.first,
    (first, before) => {
      if (first > before || before === 0) void toNewest()
    },
  )

  // Whoever is at the end stays there: when the keyboard comes up, when a line is added below.
  const resizes = new ResizeObserver(() => {
    if (atBottom.value) toBottom()
  })

  onMounted(() => {
    toBottom()
    quiet.value = false
    for (const element of [scroller.value, content.value]) if (element) resizes.observe(element)
    scrolled()
  })
  onScopeDispose(() => {
    cancelAnimationFrame(frame)
    resizes.disconnect()
  })

  return { atBottom, quiet, scrolled, toBottom, jumpToNewest }
}

/** The uppermost message that can be seen, found by halves: they stand below each other. */
function firstInSight(box: HTMLElement): HTMLElement | undefined {
  const messages = box.getElementsByTagName('article')
  const { top } = box.getBoundingClientRect()
  let [low, high] = [0, messages.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((messages[middle]?.getBoundingClientRect().bottom ?? 0) > top) high = middle
    else low = middle + 1
  }
  return messages[low]
}
