import { ref } from 'vue'
import type { Ref } from 'vue'

/** How long the button says that the link was copied. */
const SAID_MS = 2_500

export interface Share {
  /** A sentence about what became of the last copy; empty when there is nothing to say. */
  said: Ref<string>
  /** Whether this device has a sheet to share with. */
  canShare: boolean
  copy: (link: string) => Promise<void>
  share: (link: string) => Promise<void>
}

/** Copying a link, and the device's own share sheet where there is one. */
export function useShare(): Share {
  const said = ref('')
  let timer: ReturnType<typeof setTimeout> | undefined

  function say(sentence: string): void {
    said.value = sentence
    clearTimeout(timer)
    timer = setTimeout(() => {
      said.value = ''
    }, SAID_MS)
  }

  async function copy(link: string): Promise<void> {
    const done = await copyText(link)
    say(done ? 'Link copied' : 'Please copy the address of this page')
  }

  async function share(link: string): Promise<void> {
    try {
      await navigator.share({ title: 'chatire', url: link })
    } catch {
      // Closed without sharing: that is an answer too.
    }
  }

  return { said, canShare: 'share' in navigator, copy, share }
}

async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    return copyBySelection(text)
  }
}

/** For pages without https, where browsers have no clipboard for scripts. */
function copyBySelection(text: string): boolean {
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'sr-only'
  document.body.append(field)
  field.select()
  try {
    return document.execCommand('copy')
  } finally {
    field.remove()
  }
}
