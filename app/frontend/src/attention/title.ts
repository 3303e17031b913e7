/** The page's title: what is shown, behind the number of unread messages. */

import { onScopeDispose, toValue, watchEffect } from 'vue'
import type { MaybeRefOrGetter } from 'vue'

const NAME = 'chatire'

/** Keeps the title up to date until the component goes. */
export function useTitle(
  page: MaybeRefOrGetter<string>,
  unread: MaybeRefOrGetter<number> = 0,
): void {
  watchEffect(() => {
    const count = toValue(unread)
    const title = [toValue(page), NAME].filter((part) => part !== '').join(' · ')
    document.title = count > 0 ? `(${String(count)}) ${title}` : title
  })
  onScopeDispose(() => {
    document.title = NAME
  })
}
