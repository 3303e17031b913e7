/** Finds the links in what somebody wrote. Everything else stays plain text. */

export interface Segment {
  text: string
  /** The address, when this piece is a link; only ever http or https. */
  href: string | null
}

const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`\u2028\u2029]+/giu
const TRAILING = /[.,;:!?…»”’*_~]+$/u
const PAIRS: Record<string, string> = { ')': '(', ']': '[', '}': '{' }

/** Takes off what belongs to the sentence and not to the address: full stops, a closing bracket. */
function trim(candidate: string): string {
  let link = candidate
  for (;;) {
    const before = link
    link = link.replace(TRAILING, '')
    const closing = link.at(-1) ?? ''
    const opening = PAIRS[closing]
    if (opening && link.split(closing).length > link.split(opening).length) link = link.slice(0, -1)
    if (link === before) return link
  }
}

function parse(link: string): string | null {
  try {
    const url = new URL(link)
    const web = url.protocol === 'https:' || url.protocol === 'http:'
    return web && url.hostname !== '' ? url.href : null
  } catch {
    return null
  }
}

/** Splits a text into plain pieces and links, in order; joined, the pieces are the text again. */
export function segments(text: string): Segment[] {
  const found: Segment[] = []
  let end = 0
  for (const match of text.matchAll(CANDIDATE)) {
    const link = trim(match[0])
    const href = parse(link)
    if (href === null) continue
    if (match.index > end) found.push({ text: text.slice(end, match.index), href: null })
    found.push({ text: link, href })
    end = match.index + link.length
  }
  if (end < text.length) found.push({ text: text.slice(end), href: null })
  return found
}
