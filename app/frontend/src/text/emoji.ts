/** Whether a message is nothing but a few emoji, which are then shown large. */

const MOST = 3
const ONLY_EMOJI =
  /^(?:\p{Extended_Pictographic}|\p{Regional_Indicator}|\p{Emoji_Modifier}|\u200d|\ufe0f|\s)+$/u

/** The longest that three emoji get: families joined of seven code points each, and spaces. */
const LONGEST = 60

export function fewEmoji(text: string): boolean {
  if (text.length > LONGEST || !ONLY_EMOJI.test(text) || !('Segmenter' in Intl)) return false
  const seen = [...new Intl.Segmenter().segment(text)].filter(
    ({ segment }) => segment.trim() !== '',
  )
  return seen.length > 0 && seen.length <= MOST
}
