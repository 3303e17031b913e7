/** Times and days in the reader's own locale and time zone. */

const time = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'short' })
const day = new Intl.DateTimeFormat(undefined, { weekday: 'long', month: 'long', day: 'numeric' })
const dayOfYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'long' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' })
const shortDay = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' })
const shortDate = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' })

const DAY_MS = 86_400_000

/** Whole days from `date` until `now` by the calendar: 0 is today, 1 yesterday. */
function daysAgo(date: Date, now: Date): number {
  const start = (of: Date) => new Date(of.getFullYear(), of.getMonth(), of.getDate()).getTime()
  return Math.round((start(now) - start(date)) / DAY_MS)
}

function capital(text: string): string {
  return text.charAt(0).toLocaleUpperCase() + text.slice(1)
}

/** A key that two messages of the same day share. */
export function dayKey(iso: string): string {
  const date = new Date(iso)
  return `${String(date.getFullYear())}-${String(date.getMonth())}-${String(date.getDate())}`
}

/** The heading over a day's messages: today, yesterday, a weekday, a date. */
export function dayName(iso: string, now = new Date()): string {
  const date = new Date(iso)
  const ago = daysAgo(date, now)
  if (ago === 0 || ago === 1) return capital(relative.format(-ago, 'day'))
  return date.getFullYear() === now.getFullYear() ? day.format(date) : dayOfYear.format(date)
}

/** The time of day of a message. */
export function clock(iso: string): string {
  return time.format(new Date(iso))
}

/** Day and time in full, for a tooltip. */
export function fullTime(iso: string): string {
  return full.format(new Date(iso))
}

/** The time of a chat's last activity, as short as it can be. */
export function shortTime(iso: string, now = new Date()): string {
  const date = new Date(iso)
  const ago = daysAgo(date, now)
  if (ago <= 0) return time.format(date)
  if (ago < 7) return weekday.format(date)
  return date.getFullYear() === now.getFullYear() ? shortDay.format(date) : shortDate.format(date)
}
