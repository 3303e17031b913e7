import { describe, expect, test } from 'vitest'

import { ApiError } from '@/api/errors'

import { pass, useRooms } from '../fakes/room'
import { ANN, BOB, ME, user } from '../fakes/server'

const rooms = useRooms()

describe('the people of a chat', () => {
  test('are typing for a few seconds, until they send or stop', async () => {
    const room = await rooms.open()
    rooms.server.push({ type: 'typing', user: BOB })
    expect([...room.typing.users.keys()]).toEqual([BOB.id])
    await pass(5_000)
    expect(room.typing.users.size).toBe(0)
    rooms.server.push({ type: 'typing', user: BOB })
    rooms.server.commit(BOB, 'done')
    expect(room.typing.users.size).toBe(0)
  })

  test('are told that one types, but not at every key', async () => {
    const room = await rooms.open()
    for (let key = 0; key < 10; key += 1) {
      room.pressedKey()
      await pass(200)
    }
    expect(rooms.server.socket.sent.filter(({ type }) => type === 'typing')).toHaveLength(1)
    await pass(2_000)
    room.pressedKey()
    expect(rooms.server.socket.sent.filter(({ type }) => type === 'typing')).toHaveLength(2)
  })

  test('are told that one types on after a message, no sooner than the server takes it', async () => {
    const room = await rooms.open()
    const told = () => rooms.server.socket.sent.filter(({ type }) => type === 'typing').length
    room.pressedKey()
    room.say('one')
    room.say('two')
    room.pressedKey()
    expect(told()).toBe(1)
    await pass(1_000)
    room.pressedKey()
    expect(told()).toBe(2)
  })

  test('are told how far one has read, once and not backwards', async () => {
    rooms.server.fill(3)
    const room = await rooms.open()
    room.markRead()
    room.markRead()
    await pass(1_000)
    rooms.server.commit(BOB, 'another')
    room.markRead()
    await pass(1_000)
    room.markRead()
    await pass(1_000)
    expect(rooms.server.readMarks).toEqual([3, 4])
  })

  test('are told how far one has read by who leaves at once', async () => {
    rooms.server.fill(4)
    const room = await rooms.open()
    room.markRead()
    room.close()
    expect(rooms.server.readMarks).toEqual([4])
  })

  test('are those who came and left while one was cut off', async () => {
    const room = await rooms.open()
    expect(rooms.server.asked.filter((call) => call === 'detail')).toHaveLength(1)
    rooms.server.socket.end(1006)
    rooms.server.members = [ANN, user(3, 'cat')]
    rooms.server.refuseNext = new ApiError(503, 'Away.')
    await pass(10_000)
    expect(room.members.value.map(({ username }) => username)).toEqual(['ann', 'cat'])
  })

  test('are those whom a frame names, also when an older answer comes after it', async () => {
    const room = await rooms.open()
    rooms.server.socket.end(1006)
    while (rooms.server.asked.at(-1) !== 'detail') await pass(1)
    rooms.server.push({ type: 'members', members: [ANN] })
    await pass(100)
    expect(room.others.value).toEqual([])
  })

  test('have read as far as the furthest mark that was heard', async () => {
    const room = await rooms.open()
    rooms.server.push({ type: 'read', user: BOB, seq: 5 })
    rooms.server.push({ type: 'read', user: BOB, seq: 3 })
    expect(room.reading.by(5)).toEqual(['bob'])
    expect(room.reading.upTo.value).toBe(5)
  })

  test('have read as far as the server says when the chat is opened, also after a reset', async () => {
    rooms.server.fill(3)
    const room = await rooms.open()
    rooms.server.push({ type: 'read', user: BOB, seq: 3 })
    rooms.server.push({ type: 'reset', seq: 2, epoch: 'second' })
    rooms.server.push({ type: 'read', user: BOB, seq: 2 })
    await pass(100)
    expect(room.reading.upTo.value).toBe(2)
  })

  test('have not all read while one of them has not', async () => {
    rooms.server.members = [ANN, BOB, user(3, 'cat')]
    const room = await rooms.open()
    rooms.server.push({ type: 'read', user: BOB, seq: 5 })
    expect(room.reading.upTo.value).toBe(0)
    expect(room.reading.by(5)).toEqual(['bob'])
  })

  test('are not shown as online while one is oneself cut off', async () => {
    const room = await rooms.open()
    rooms.server.push({ type: 'presence', online: [ANN, BOB] })
    expect(room.online.value).toHaveLength(2)
    rooms.server.socketsUp = false
    rooms.server.socket.end(1006)
    expect(room.online.value).toEqual([])
  })

  test('are told nothing when they leave, also when the socket closes before the answer', async () => {
    const room = await rooms.open()
    const left = room.remove(ME.username)
    rooms.server.socket.end(4403)
    await pass(20)
    await left
    expect(room.obstacle.value).toBeNull()
  })

  test('are told that they were removed, and not asked to join again in vain', async () => {
    rooms.server.refuseNext = new ApiError(403, 'Only a member may add you again.')
    const room = await rooms.open(false)
    expect(room.obstacle.value).toBe('removed')
    await pass(60_000)
    expect(rooms.server.asked).toEqual(['join ann'])
  })

  test('lose the chat when they are removed while it is open', async () => {
    const room = await rooms.open()
    rooms.server.socket.end(4403)
    expect(room.obstacle.value).toBe('not-a-member')
    await pass(60_000)
    expect(rooms.server.sockets).toHaveLength(1)
  })
})
