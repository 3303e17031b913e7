import { expect, test } from 'vitest'

import { clean, codePoints, remaining, sendable } from '@/text/draft'

test('counts code points, as the server does, and not UTF-16 units', () => {
  expect(codePoints('a😀é')).toBe(3)
})

test.each([
  ['', false],
  ['  \n\t ', false],
  ['x', true],
  [' x ', true],
  ['😀'.repeat(2000), true],
  ['x'.repeat(2001), false],
])('knows whether %j may be sent', (text, may) => {
  expect(sendable(text)).toBe(may)
})

test('shows the counter near the limit only', () => {
  expect(remaining('x'.repeat(1799))).toBeNull()
  expect(remaining('x'.repeat(1800))).toBe(200)
  expect(remaining('x'.repeat(2003))).toBe(-3)
})

test('takes out what the server refuses and nobody types', () => {
  expect(clean('a\0b\ud83dc😀')).toBe('ab\ufffdc😀')
})
