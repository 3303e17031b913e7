import { expect, test } from 'vitest'

import { segments } from '@/text/links'

function links(text: string): string[] {
  return segments(text)
    .filter(({ href }) => href !== null)
    .map(({ text: piece }) => piece)
}

test.each([
  ['see https://example.org/a?b=c#d now', ['https://example.org/a?b=c#d']],
  ['http://a.example and https://b.example', ['http://a.example', 'https://b.example']],
  ['(https://example.org/x).', ['https://example.org/x']],
  ['https://en.example.org/wiki/A_(b)', ['https://en.example.org/wiki/A_(b)']],
  ['Is it https://example.org/?!', ['https://example.org/']],
  ['https://xn--nxasmq6b.example/ü/日本', ['https://xn--nxasmq6b.example/ü/日本']],
  ['HTTPS://EXAMPLE.ORG/X', ['HTTPS://EXAMPLE.ORG/X']],
])('finds the links in %j', (text, found) => {
  expect(links(text)).toEqual(found)
})

test.each([
  'javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  '<a href="x" onclick="y">z</a>',
  'https://',
  'xhttps://example.org',
  'file:///etc/passwd',
  'no link at all',
])('makes no link of %j', (text) => {
  expect(links(text)).toEqual([])
})

test('stops a link before anything that could end an attribute or a tag', () => {
  expect(links('https://example.org/"onmouseover="x')).toEqual(['https://example.org/'])
  expect(links('https://example.org/<script>')).toEqual(['https://example.org/'])
})

test.each(['a https://b.example/c, d\n e', '', 'https://x.example', '))https://x.example))'])(
  'loses nothing of %j',
  (text) => {
    const joined = segments(text)
      .map((piece) => piece.text)
      .join('')
    expect(joined).toBe(text)
  },
)
