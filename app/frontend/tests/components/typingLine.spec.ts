import { expect, test } from 'vitest'

import TypingLine from '@/components/TypingLine.vue'

import { mount } from '../fakes/mount'
import { user } from '../fakes/server'

async function said(...names: string[]): Promise<string> {
  const users = new Map(names.map((name, id) => [id, user(id, name)]))
  return (await mount(TypingLine, { users })).root.textContent.trim()
}

test('says who is typing, and of many only how many', async () => {
  expect(await said()).toBe('')
  expect(await said('ann')).toBe('ann is typing…')
  expect(await said('ann', 'bob')).toBe('ann and bob are typing…')
  expect(await said('a', 'b', 'c', 'd', 'e')).toBe('a, b, and 3 others are typing…')
})
