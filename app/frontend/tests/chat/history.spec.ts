import { describe, expect, test } from 'vitest'

import { oneTo, pass, seqs, texts, useRooms } from '../fakes/room'
import { BOB, message } from '../fakes/server'

const rooms = useRooms()

describe('a gap', () => {
  test('in front of a live message is filled from the table', async () => {
    rooms.server.fill(2)
    const room = await rooms.open()
    rooms.server.hints = false
    rooms.server.commit(BOB, 'lost hint')
    rooms.server.hints = true
    rooms.server.commit(BOB, 'arrived')
    expect(seqs(room)).toEqual([1, 2])
    await pass(20)
    expect(texts(room).slice(2)).toEqual(['lost hint', 'arrived'])
  })

  test('of several hundred messages is filled page by page', async () => {
    const room = await rooms.open()
    rooms.server.fill(450)
    rooms.server.commit(BOB, 'newest')
    await pass(50)
    expect(seqs(room)).toEqual(oneTo(451))
  })

  test('that a ready frame tells of is filled', async () => {
    const room = await rooms.open()
    rooms.server.hints = false
    rooms.server.commit(BOB, 'not replayed')
    rooms.server.push({ type: 'ready', seq: 1, epoch: 'first' })
    await pass(20)
    expect(texts(room)).toEqual(['not replayed'])
  })

  test('nobody notices is found by looking, when nothing is heard for long', async () => {
    const room = await rooms.open()
    rooms.server.hints = false
    rooms.server.commit(BOB, 'unheard')
    await pass(60_000)
    expect(texts(room)).toEqual(['unheard'])
  })
})

describe('a reset', () => {
  test('drops what was held and begins with the newest page of the other history', async () => {
    rooms.server.fill(5)
    const room = await rooms.open()
    rooms.server.socket.end(1012)
    rooms.server.epoch = 'second'
    rooms.server.history = [message(1, BOB, { message: 'restored 1' })]
    await pass(2_000)
    expect(texts(room)).toEqual(['restored 1'])
    rooms.server.commit(BOB, 'live again')
    expect(texts(room)).toEqual(['restored 1', 'live again'])
    expect(room.live.value).toBe(true)
  })

  test('shows nothing of the old history any more, and mixes nothing of the new one into it', async () => {
    rooms.server.fill(3)
    const room = await rooms.open()
    rooms.server.httpUp = false
    rooms.server.push({ type: 'reset', seq: 3, epoch: 'second' })
    rooms.server.push({ type: 'message', ...message(4, BOB, { message: 'of the new history' }) })
    expect(texts(room)).toEqual([])
    rooms.server.history = [1, 2, 3, 4].map((seq) =>
      message(seq, BOB, { message: `new ${String(seq)}` }),
    )
    rooms.server.httpUp = true
    await pass(2_000)
    expect(texts(room)).toEqual(['new 1', 'new 2', 'new 3', 'new 4'])
  })

  test('when far behind loses no message that comes while the page is fetched', async () => {
    const room = await rooms.open()
    rooms.server.socketsUp = false
    rooms.server.httpUp = false
    rooms.server.socket.end(1006)
    rooms.server.fill(1500)
    await pass(1_000)
    rooms.server.socketsUp = true
    rooms.server.httpUp = true
    rooms.wakeups.wake()
    await pass(2)
    rooms.server.commit(BOB, 'in between')
    await pass(1_000)
    expect(texts(room).at(-1)).toBe('in between')
    expect(seqs(room)).toEqual(oneTo(1501).slice(-seqs(room).length))
    expect(room.log.hasOlder.value).toBe(true)
  })

  test('keeps what was written and not yet sent', async () => {
    rooms.server.fill(3)
    const room = await rooms.open()
    rooms.server.httpUp = false
    rooms.server.socketsUp = false
    rooms.server.socket.end(1006)
    room.say('still mine')
    await pass(1_000)
    rooms.server.epoch = 'second'
    rooms.server.history = []
    rooms.server.socketsUp = true
    rooms.server.httpUp = true
    rooms.wakeups.wake()
    await pass(1_000)
    expect(texts(room)).toEqual(['still mine'])
  })
})
