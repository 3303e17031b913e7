import { expect, test } from 'vitest'

import { hue, initial, isolated, nameList } from '@/text/names'

test('lists names as a sentence would, and says how many more there are', () => {
  expect(nameList(['ann'])).toBe('ann')
  expect(nameList(['ann', 'bob'])).toBe('ann and bob')
  expect(nameList(['a', 'b', 'c', 'd', 'e'])).toBe('a, b, and 3 others')
  expect(nameList(['a', 'b', 'c'], 100)).toBe('a, b, and 98 others')
})

test('keeps a name that runs from right to left from mixing up the words around it', () => {
  expect(isolated('ann')).toBe('ann')
  expect(isolated('\u05d3\u05e0\u05d4-7')).toBe('\u2068\u05d3\u05e0\u05d4-7\u2069')
  expect(nameList(['ann', '\u0645\u0631\u064a\u0645-7'])).toBe(
    'ann and \u2068\u0645\u0631\u064a\u0645-7\u2069',
  )
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
