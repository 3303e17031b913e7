/** Names of people, put together. */

const list = new Intl.ListFormat(undefined, { style: 'long', type: 'conjunction' })

/** "ann", "ann and bob", "ann, bob and 3 others". */
export function nameList(names: readonly string[], most = 3): string {
  if (names.length <= most) return list.format(names)
  const others = names.length - most + 1
  return list.format([...names.slice(0, most - 1), `${String(others)} others`])
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
