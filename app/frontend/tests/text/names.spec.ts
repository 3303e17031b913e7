import { expect, test } from 'vitest'

import { hue, initial, nameList } from '@/text/names'

test('lists names as a sentence would, and says how many more there are', () => {
  expect(nameList(['ann'])).toBe('ann')
  expect(nameList(['ann', 'bob'])).toBe('ann and bob')
  expect(nameList(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, and 3 others')
  expect(nameList(['a', 'b', 'c'], 100)).toBe('a, b, and 98 others')
})

test('the letter of an avatar is one whole character', () => {
  expect(initial('ann')).toBe('A')
  expect(initial('😀x')).toBe('😀')
  expect(initial('')).toBe('?')
})

test('the same person always has the same colour', () => {
  expect(hue('ann')).toBe(hue('ann'))
  const hues = new Set(Array.from({ length: 100 }, (_, n) => hue(`user${String(n)}`)))
  expect(hues.size).toBeGreaterThan(4)
})
