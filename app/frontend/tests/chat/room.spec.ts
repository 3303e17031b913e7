import { describe, expect, test } from 'vitest'

import { ApiError } from '@/api/errors'

import { oneTo, pass, seqs, texts, useRooms } from '../fakes/room'
import { BOB } from '../fakes/server'

const rooms = useRooms()

describe('opening a chat', () => {
  test('shows the newest page and then follows', async () => {
    rooms.server.fill(60)
    const room = await rooms.open()
    expect(seqs(room)).toEqual(oneTo(60).slice(10))
    expect(room.log.hasOlder.value).toBe(true)
    expect(room.live.value).toBe(true)
    rooms.server.commit(BOB, 'live')
    expect(texts(room).at(-1)).toBe('live')
  })

  test('joins first when one comes by a link', async () => {
    await rooms.open(false)
    expect(rooms.server.asked[0]).toBe('join ann')
  })

  test('does not join again a chat of one\u2019s own list', async () => {
    await rooms.open()
    expect(rooms.server.asked.some((call) => call.startsWith('join'))).toBe(false)
  })

  test.each([
    [404, 'no-such-chat'],
    [403, 'not-a-member'],
  ])('answered with %i says "%s"', async (status, obstacle) => {
    rooms.server.refuseNext = new ApiError(status, 'no')
    const room = await rooms.open()
    expect(room.obstacle.value).toBe(obstacle)
    expect(rooms.server.sockets).toHaveLength(0)
  })

  test('tries again by itself when the rooms.server is away', async () => {
    rooms.server.httpUp = false
    const room = await rooms.open()
    expect(room.obstacle.value).toBe('away')
    rooms.server.httpUp = true
    await pass(5_000)
    expect(room.obstacle.value).toBeNull()
    expect(room.live.value).toBe(true)
  })

  test('fetches older history page by page, to the beginning', async () => {
    rooms.server.fill(120)
    const room = await rooms.open()
    for (let page = 0; page < 4; page += 1) {
      void room.loadOlder()
      await pass(5)
    }
    expect(seqs(room)).toEqual(oneTo(120))
    expect(room.log.hasOlder.value).toBe(false)
  })
})

describe('a connection that was lost', () => {
  test('resumes after the last seq it has, with the epoch', async () => {
    rooms.server.fill(3)
    const room = await rooms.open()
    rooms.server.socket.end(1006)
    rooms.server.httpUp = false
    rooms.server.fill(2)
    await pass(1_000)
    expect(rooms.server.socket.url.search).toBe('?after=3&epoch=first')
    expect(seqs(room)).toEqual(oneTo(5))
    expect(room.live.value).toBe(true)
  })

  test('comes back with messages of both sides, each once and in one order', async () => {
    const room = await rooms.open()
    room.say('before')
    await pass(20)
    rooms.server.socketsUp = false
    rooms.server.httpUp = false
    rooms.wakeups.lose()
    room.say('written offline 1')
    room.say('written offline 2')
    rooms.server.commit(BOB, 'bob meanwhile')
    await pass(30_000)
    expect(texts(room)).toEqual(['before'])
    rooms.server.socketsUp = true
    rooms.server.httpUp = true
    rooms.wakeups.wake()
    await pass(100)
    expect(texts(room)).toEqual([
      'before',
      'bob meanwhile',
      'written offline 1',
      'written offline 2',
    ])
    expect(rooms.server.history).toHaveLength(4)
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('is not looked for over HTTP when the session is over', async () => {
    await rooms.open()
    const before = rooms.server.asked.length
    rooms.server.socket.end(4401)
    await pass(1)
    expect(rooms.server.asked).toHaveLength(before)
  })

  test('still brings messages, over HTTP, where sockets do not get through', async () => {
    rooms.server.socketsUp = false
    const room = await rooms.open()
    rooms.server.commit(BOB, 'by another way')
    await pass(40_000)
    expect(texts(room)).toEqual(['by another way'])
  })
})
