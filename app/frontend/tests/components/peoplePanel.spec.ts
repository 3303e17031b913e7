import { describe, expect, test } from 'vitest'

import { ApiError } from '@/api/errors'
import PeoplePanel from '@/components/PeoplePanel.vue'

import { mount, type } from '../fakes/mount'
import type { Mounted } from '../fakes/mount'
import { pass, useRooms } from '../fakes/room'
import { BOB } from '../fakes/server'

const rooms = useRooms()

async function panel(): Promise<Mounted & { left: () => number }> {
  const room = await rooms.open()
  let left = 0
  const onLeft = () => {
    left += 1
  }
  return { ...(await mount(PeoplePanel, { room, onLeft })), left: () => left }
}

describe('the people beside a chat', () => {
  test('are removed with a second press of the same button, which keeps the focus', async () => {
    const { button, find, all } = await panel()
    const remove = button('Remove bob')
    remove.focus()
    remove.click()
    await pass(1)
    expect(rooms.server.asked).not.toContain('remove bob')
    expect(document.activeElement).toBe(remove)
    // In one piece: the button's gap would stand before the question mark.
    expect([...remove.children].map((part) => part.textContent)).toEqual(['Remove bob?'])
    remove.click()
    await pass(10)
    expect(rooms.server.asked).toContain('remove bob')
    expect(all('.people-list li')).toHaveLength(1)
    expect(document.activeElement).toBe(find('.people-list'))
    expect(find('.people-said').textContent).toBe('bob was removed')
  })

  test('are not removed twice by a double click', async () => {
    const { button } = await panel()
    const remove = button('Remove bob')
    remove.click()
    await pass(1)
    remove.click()
    remove.click()
    await pass(10)
    expect(rooms.server.asked.filter((call) => call === 'remove bob')).toHaveLength(1)
  })

  test('are added by name', async () => {
    const { button, find } = await panel()
    const field = find<HTMLInputElement>('input')
    await type(field, ' cat ')
    button('Add').click()
    await pass(10)
    expect(rooms.server.asked).toContain('join cat')
    expect(find('.people-said').textContent).toBe('cat joined the chat')
    expect(field.value).toBe('')
    expect(document.activeElement).toBe(field)
  })

  test('stay, with the name as it was typed, when the server refuses', async () => {
    const { button, find } = await panel()
    const field = find<HTMLInputElement>('input')
    await type(field, 'nobody')
    rooms.server.refuseNext = new ApiError(404, 'There is no such user.')
    button('Add').click()
    await pass(10)
    expect(find('[role=alert]').textContent).toBe('There is no such user.')
    expect(field.value).toBe('nobody')
  })

  test('may leave, unless the chat is theirs', async () => {
    rooms.server.owner = BOB
    const { button, all, left } = await panel()
    expect(all('[aria-label="Remove bob"]')).toHaveLength(0)
    button('Leave this chat').click()
    await pass(1)
    button('Yes, leave this chat').click()
    await pass(10)
    expect(rooms.server.asked).toContain('remove ann')
    expect(left()).toBe(1)
  })
})
