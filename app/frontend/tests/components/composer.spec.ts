import { beforeEach, describe, expect, test, vi } from 'vitest'

import MessageComposer from '@/components/MessageComposer.vue'

import { mount, press, type } from '../fakes/mount'
import type { Mounted } from '../fakes/mount'

const onSay = vi.fn()
const onTyping = vi.fn()

beforeEach(() => {
  localStorage.clear()
  onSay.mockClear()
  onTyping.mockClear()
})

function composer(): Promise<Mounted> {
  return mount(MessageComposer, { draftKey: 'draft', onSay, onTyping })
}

describe('the composer', () => {
  test('sends with Enter and is empty then', async () => {
    const { find } = await composer()
    const field = find<HTMLTextAreaElement>('textarea')
    await type(field, 'hello')
    const event = await press(field, 'Enter')
    expect(onSay).toHaveBeenCalledExactlyOnceWith('hello')
    expect(event.defaultPrevented).toBe(true)
    expect(field.value).toBe('')
  })

  test('breaks the line with Shift and Enter', async () => {
    const { find } = await composer()
    const field = find<HTMLTextAreaElement>('textarea')
    await type(field, 'hello')
    const event = await press(field, 'Enter', { shiftKey: true })
    expect(onSay).not.toHaveBeenCalled()
    expect(event.defaultPrevented).toBe(false)
  })

  test('leaves Enter to an input method that composes', async () => {
    const { find } = await composer()
    const field = find<HTMLTextAreaElement>('textarea')
    await type(field, 'にほん')
    await press(field, 'Enter', { isComposing: true })
    await press(field, 'Enter', { keyCode: 229 })
    expect(onSay).not.toHaveBeenCalled()
  })

  test('knows what is written also while an input method composes it', async () => {
    const { find, button } = await composer()
    const field = find<HTMLTextAreaElement>('textarea')
    field.dispatchEvent(new CompositionEvent('compositionstart'))
    await type(field, 'wor')
    expect(onTyping).toHaveBeenCalledOnce()
    expect(button('Send').disabled).toBe(false)
    expect(localStorage.getItem('draft')).toBe('wor')
  })

  test('sends nothing that is only white space', async () => {
    const { find, button } = await composer()
    const field = find<HTMLTextAreaElement>('textarea')
    await type(field, '  \n ')
    await press(field, 'Enter')
    expect(onSay).not.toHaveBeenCalled()
    expect(button('Send').disabled).toBe(true)
  })

  test('keeps the white space around other text', async () => {
    const { find } = await composer()
    const field = find<HTMLTextAreaElement>('textarea')
    await type(field, '  indented\n')
    await press(field, 'Enter')
    expect(onSay).toHaveBeenCalledExactlyOnceWith('  indented\n')
  })

  test('counts near the limit and does not send beyond it', async () => {
    const { find, button, root } = await composer()
    const field = find<HTMLTextAreaElement>('textarea')
    await type(field, 'x'.repeat(1990))
    expect(root.textContent).toContain('10 characters left')
    await type(field, '😀'.repeat(2001))
    expect(root.textContent).toContain('1 character too many')
    expect(field.getAttribute('aria-invalid')).toBe('true')
    expect(button('Send').disabled).toBe(true)
    await press(field, 'Enter')
    expect(onSay).not.toHaveBeenCalled()
  })

  test('keeps unsent text over a reload, and nothing once it is sent', async () => {
    const first = await composer()
    await type(first.find<HTMLTextAreaElement>('textarea'), 'half a thou')
    const second = await composer()
    const field = second.find<HTMLTextAreaElement>('textarea')
    expect(field.value).toBe('half a thou')
    await press(field, 'Enter')
    const third = await composer()
    expect(third.find<HTMLTextAreaElement>('textarea').value).toBe('')
  })

  test('tells that one types, but not when one only clears the field', async () => {
    const { find } = await composer()
    const field = find<HTMLTextAreaElement>('textarea')
    await type(field, 'h')
    expect(onTyping).toHaveBeenCalledOnce()
    await type(field, '')
    expect(onTyping).toHaveBeenCalledOnce()
  })
})
