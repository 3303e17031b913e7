/** Times and days in the reader's own locale and time zone. */

const DAY_MS = 86_400_000

export interface Times {
  /** The heading over a day's messages: today, yesterday, a weekday, a date. */
  dayName: (iso: string, now?: Date) => string
  /** The time of day of a message. */
  clock: (iso: string) => string
  /** Day and time in full, for a tooltip. */
  fullTime: (iso: string) => string
  /** The time of a chat's last activity, as short as it can be. */
  shortTime: (iso: string, now?: Date) => string
}

/** In a locale; in the browser's unless one is named. */
export function timesIn(locale?: string): Times {
  const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, options)
  const time = format({ hour: 'numeric', minute: '2-digit' })
  const full = format({ dateStyle: 'full', timeStyle: 'short' })
  const day = format({ weekday: 'long', month: 'long', day: 'numeric' })
  const dayOfYear = format({ dateStyle: 'long' })
  const weekday = format({ weekday: 'short' })
  const shortDay = format({ month: 'short', day: 'numeric' })
  const shortDate = format({ dateStyle: 'medium' })
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })

  return {
    dayName(iso, now = new Date()) {
      const date = new Date(iso)
      // What seems to be of tomorrow was written a moment ago, by another clock.
      const ago = Math.max(0, daysAgo(date, now))
      if (ago <= 1) return capital(relative.format(-ago, 'day'), locale)
      return sameYear(date, now) ? day.format(date) : dayOfYear.format(date)
    },
    clock(iso) {
      return time.format(new Date(iso))
    },
    fullTime(iso) {
      return full.format(new Date(iso))
    },
    shortTime(iso, now = new Date()) {
      const date = new Date(iso)
      const ago = daysAgo(date, now)
      if (ago <= 0) return time.format(date)
      if (ago < 7) return weekday.format(date)
      return sameYear(date, now) ? shortDay.format(date) : shortDate.format(date)
    },
  }
}

export const { dayName, clock, fullTime, shortTime } = timesIn()

/** A key that two moments of the same day share. */
export function dayKey(date: Date): string {
  return `${String(date.getFullYear())}-${String(date.getMonth())}-${String(date.getDate())}`
}

/** Whole days from `date` until `now` by the calendar: 0 is today, 1 yesterday. */
function daysAgo(date: Date, now: Date): number {
  const start = (of: Date) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime()
  return Math.round((start(now) - start(date)) / DAY_MS)
}

function sameYear(one: Date, other: Date): boolean {
  return one.getFullYear() === other.getFullYear()
}

function capital(text: string, locale?: string): string {
  return text.charAt(0).toLocaleUpperCase(locale) + text.slice(1)
}
