import { expect, test } from 'vitest'

import { clock, dayKey, timesIn } from '@/text/times'

const { dayName, shortTime } = timesIn('en-US')
const now = new Date(2026, 5, 17, 0, 30)

function at(...date: [number, number, number, number]): string {
  return new Date(...date).toISOString()
}

test('a day is the reader\u2019s calendar day, not 24 hours', () => {
  expect(dayName(at(2026, 5, 17, 0), now)).toBe('Today')
  expect(dayName(at(2026, 5, 16, 23), now)).toBe('Yesterday')
  expect(dayName(at(2026, 5, 16, 0), now)).toBe('Yesterday')
})

test('an earlier day has its name and date, one of another year the year as well', () => {
  expect(dayName(at(2026, 5, 1, 12), now)).toContain('June')
  expect(dayName(at(2026, 5, 1, 12), now)).not.toContain('2026')
  expect(dayName(at(2025, 5, 1, 12), now)).toContain('2025')
})

test('two times of one day share its key', () => {
  expect(dayKey(new Date(2026, 5, 16, 0))).toBe(dayKey(new Date(2026, 5, 16, 23)))
  expect(dayKey(new Date(2026, 5, 16, 23))).not.toBe(dayKey(new Date(2026, 5, 17, 0)))
})

test('the time of last activity gets shorter and coarser with age', () => {
  expect(shortTime(at(2026, 5, 17, 0), now)).toMatch(/12:00/)
  expect(shortTime(at(2026, 5, 14, 9), now)).toBe('Sun')
  expect(shortTime(at(2026, 2, 3, 9), now)).toBe('Mar 3')
  expect(shortTime(at(2025, 2, 3, 9), now)).toContain('2025')
})

test('every text is in the locale of the reader', () => {
  const german = timesIn('de')
  expect(german.dayName(at(2026, 5, 17, 0), now)).toBe('Heute')
  expect(german.dayName(at(2026, 5, 1, 12), now)).toContain('Juni')
  expect(german.clock(at(2026, 5, 17, 15))).toBe('15:00')
  expect(german.shortTime(at(2026, 5, 14, 9), now)).toBe('So')
  const own = new Intl.DateTimeFormat([], { hour: 'numeric', minute: '2-digit' })
  expect(clock(at(2026, 5, 17, 15))).toBe(own.format(new Date(2026, 5, 17, 15)))
})
