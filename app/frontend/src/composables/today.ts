import { onScopeDispose, readonly, shallowRef } from 'vue'
import type { Ref } from 'vue'

import { dayKey } from '@/text/times'

/** The calendar is looked at this often; a timer until midnight would sleep as the machine does. */
const LOOK_EVERY_MS = 30_000

/** Some moment of the day it is, for what says "Today": a page may stay open over night. */
export function useToday(): Readonly<Ref<Date>> {
  const today = shallowRef(new Date())
  const timer = setInterval(() => {
    const now = new Date()
    if (dayKey(now) !== dayKey(today.value)) today.value = now
  }, LOOK_EVERY_MS)
  onScopeDispose(() => {
    clearInterval(timer)
  })
  return readonly(today)
}
