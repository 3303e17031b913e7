import { describe, expect, test, vi } from 'vitest'

import MessageItem from '@/components/MessageItem.vue'
import MessageText from '@/components/MessageText.vue'

import { mount } from '../fakes/mount'

const BASE = {
  author: 'bob',
  mine: false,
  text: 'hello',
  time: '2026-01-05T12:00:00Z',
  leads: true,
  status: 'sent',
  reason: '',
}

describe('the text of a message', () => {
  test('stays text, whatever markup it looks like', async () => {
    const text = '<img src=x onerror=alert(1)><script>alert(1)</script> **b** &amp; {{ 1 + 1 }}'
    const { root, all } = await mount(MessageText, { text })
    expect(root.textContent).toBe(text)
    expect(all('img, script, b, strong')).toHaveLength(0)
  })

  test('has clickable links that give nothing away', async () => {
    const { find } = await mount(MessageText, { text: 'see https://example.org/x, please' })
    const link = find<HTMLAnchorElement>('a')
    expect(link.getAttribute('href')).toBe('https://example.org/x')
    expect(link.rel).toContain('noopener')
    expect(link.target).toBe('_blank')
  })

  test('keeps line breaks and the direction of its script', async () => {
    const { find, root } = await mount(MessageText, { text: 'שלום\nhello' })
    expect(root.textContent).toBe('שלום\nhello')
    expect(find('.message-text').getAttribute('dir')).toBe('auto')
  })
})

describe('a message', () => {
  test('is an article that holds its text', async () => {
    const { all } = await mount(MessageItem, BASE)
    expect(all('article')).toHaveLength(1)
    expect(all('article')[0]?.textContent).toContain('hello')
  })

  test('of somebody else has their letter and name, where they begin', async () => {
    const { find } = await mount(MessageItem, BASE)
    expect(find('.avatar').textContent).toBe('B')
    expect(find('.message-author').textContent).toBe('bob')
  })

  test('of somebody else says to a screen reader who wrote it, also where no name is shown', async () => {
    const { root, all } = await mount(MessageItem, { ...BASE, leads: false })
    expect(all('.avatar')).toHaveLength(0)
    expect(root.textContent).toContain('bob: hello')
  })

  test.each([
    ['sending', 'Sending'],
    ['sent', 'Sent'],
    ['read', 'Read'],
    ['failed', 'Not sent'],
  ])('of one\u2019s own that is %s says so', async (status, word) => {
    const { find } = await mount(MessageItem, { ...BASE, mine: true, status })
    expect(find('.message-state').textContent.trim()).toBe(word)
  })

  test('that failed can be sent again or given up', async () => {
    const onRetry = vi.fn()
    const onDiscard = vi.fn()
    const failed = { ...BASE, mine: true, status: 'failed', reason: 'Too long.' }
    const { root, button } = await mount(MessageItem, { ...failed, onRetry, onDiscard })
    expect(root.textContent).toContain('Too long.')
    button('Retry').click()
    button('Discard').click()
    expect(onRetry).toHaveBeenCalledOnce()
    expect(onDiscard).toHaveBeenCalledOnce()
  })
})
