import { onScopeDispose, readonly, ref } from 'vue'
import type { Ref } from 'vue'

/** Whether somebody is looking at this page: it is visible and its window has the focus. */
export function useLooking(): Readonly<Ref<boolean>> {
  const looking = ref(isLooking())
  const update = () => {
    looking.value = isLooking()
  }
  window.addEventListener('focus', update)
  window.addEventListener('blur', update)
  document.addEventListener('visibilitychange', update)
  onScopeDispose(() => {
    window.removeEventListener('focus', update)
    window.removeEventListener('blur', update)
    document.removeEventListener('visibilitychange', update)
  })
  return readonly(looking)
}

export function isLooking(): boolean {
  return document.visibilityState === 'visible' && document.hasFocus()
}
