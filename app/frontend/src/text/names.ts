/** Names of people, put together. */

// The list stands inside the page's own sentences, which are English.
const list = new Intl.ListFormat('en', { style: 'long', type: 'conjunction' })

/** How many names a list has at most; the rest is a number. */
export const MOST_NAMES = 3

/** The blocks of the scripts that run from right to left, and the marks that steer direction. */
const RIGHT_TO_LEFT =
  /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]|\p{Bidi_Control}/u

/** A name for the middle of a sentence: its direction does not mix up the words around it. */
export function isolated(name: string): string {
  return RIGHT_TO_LEFT.test(name) ? `\u2068${name}\u2069` : name
}

/** "ann", "ann and bob", "ann, bob and 3 others". `total` people, the first of them by name. */
export function nameList(names: readonly string[], total = names.length): string {
  if (total <= MOST_NAMES) return list.format(names.map(isolated))
  const named = names.slice(0, MOST_NAMES - 1).map(isolated)
  return list.format([...named, `${String(total - named.length)} others`])
}

/** The letter that stands for somebody in an avatar. */
export function initial(name: string): string {
  return (Array.from(name)[0] ?? '?').toLocaleUpperCase()
}

/** How many hues avatars have; must agree with avatar.css. */
const HUES = 8

/** One of the hues, always the same for the same person. */
export function hue(name: string): number {
  let sum = 0
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 9973
  return sum % HUES
}
