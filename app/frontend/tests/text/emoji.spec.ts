import { expect, test } from 'vitest'

import { fewEmoji } from '@/text/emoji'

test.each(['🎉', '🎉👍', '👩‍👩‍👧 ❤️', '🇩🇪', '👍🏽👍🏽👍🏽'])('shows %s large', (text) => {
  expect(fewEmoji(text)).toBe(true)
})

test.each(['', ' ', '1', '#', 'ok 👍', '🎉🎉🎉🎉', 'a'])('shows %j as any other text', (text) => {
  expect(fewEmoji(text)).toBe(false)
})
