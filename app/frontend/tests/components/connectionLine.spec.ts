import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defineComponent, h, ref } from 'vue'

import ConnectionLine from '@/components/ConnectionLine.vue'

import { mount } from '../fakes/mount'

const live = ref(true)
const Shown = defineComponent(() => () => h(ConnectionLine, { live: live.value, trouble: '' }))

beforeEach(() => {
  vi.useFakeTimers()
  live.value = true
})

afterEach(() => {
  vi.useRealTimers()
})

test('says quietly when the connection is lost and when it is back, and then nothing', async () => {
  const { root } = await mount(Shown)
  live.value = false
  await vi.advanceTimersByTimeAsync(1_100)
  expect(root.textContent).toContain('Connection lost')
  live.value = true
  await vi.advanceTimersByTimeAsync(10)
  expect(root.textContent.trim()).toBe('Connected again.')
  await vi.advanceTimersByTimeAsync(4_000)
  expect(root.textContent.trim()).toBe('')
})

test('does not keep the good news when the connection breaks for a moment meanwhile', async () => {
  const { root } = await mount(Shown)
  for (const [now, ms] of [
    [false, 1_100],
    [true, 1_000],
    [false, 500],
    [true, 4_000],
  ] as const) {
    live.value = now
    await vi.advanceTimersByTimeAsync(ms)
  }
  expect(root.textContent.trim()).toBe('')
})

test('says nothing about a connection that is back at once', async () => {
  const { root } = await mount(Shown)
  live.value = false
  await vi.advanceTimersByTimeAsync(500)
  live.value = true
  await vi.advanceTimersByTimeAsync(5_000)
  expect(root.textContent.trim()).toBe('')
})
