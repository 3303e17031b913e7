import { afterEach, beforeEach, expect, test, vi } from 'vitest'

import LoadingScreen from '@/components/LoadingScreen.vue'

import { mount } from '../fakes/mount'

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

test('says so when the server lets one wait', async () => {
  const { find } = await mount(LoadingScreen, { text: 'Opening the chat…' })
  expect(find('[role=status]').textContent.trim()).toBe('Opening the chat…')
  await vi.advanceTimersByTimeAsync(4_000)
  expect(find('[role=status]').textContent).toContain('The server is slow to answer.')
})
