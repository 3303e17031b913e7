/** Names of people, put together. */

// The list stands inside the page's own sentences, which are English.
const list = new Intl.ListFormat('en', { style: 'long', type: 'conjunction' })

/** How many names a list has at most; the rest is a number. */
export const MOST_NAMES = 3

/** "ann", "ann and bob", "ann, bob and 3 others". `total` people, the first of them by name. */
export function nameList(names: readonly string[], total = names.length): string {
  if (total <= MOST_NAMES) return list.format(names)
  const named = names.slice(0, MOST_NAMES - 1)
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
