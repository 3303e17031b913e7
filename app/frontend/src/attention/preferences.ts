/** Whether this browser makes a sound and shows notifications; kept for the next visit. */

import { ref, watch } from 'vue'

import { readItem, writeItem } from '@/chat/storage'

const SOUND_KEY = 'chatire:sound'
const NOTIFY_KEY = 'chatire:notify'

export const sound = ref(readItem(SOUND_KEY) !== 'off')

/** Wished for here; the browser's own permission is needed besides. */
export const notify = ref(readItem(NOTIFY_KEY) === 'on')

watch(sound, (on) => {
  writeItem(SOUND_KEY, on ? 'on' : 'off')
})
watch(notify, (on) => {
  writeItem(NOTIFY_KEY, on ? 'on' : 'off')
})
