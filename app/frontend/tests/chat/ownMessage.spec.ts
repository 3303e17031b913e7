import { describe, expect, test, vi } from 'vitest'

import { ApiError } from '@/api/errors'
import type { Message } from '@/contract'

import { pass, texts, useRooms } from '../fakes/room'
import { ANN } from '../fakes/server'

const rooms = useRooms()

describe('an own message', () => {
  test('is sending until the rooms.server has committed it', async () => {
    const room = await rooms.open()
    rooms.server.silent = true
    room.say('hello')
    expect(room.outbox.entries[0]).toMatchObject({ text: 'hello', state: 'sending' })
    rooms.server.commit(ANN, 'hello', room.outbox.entries[0]?.clientId)
    expect(room.outbox.entries).toHaveLength(0)
    expect(texts(room)).toEqual(['hello'])
  })

  test('acknowledged before it is delivered is shown as sent, once', async () => {
    const room = await rooms.open()
    rooms.server.hints = false
    room.say('hello')
    await pass(5)
    expect(room.outbox.entries[0]?.state).toBe('sent')
    const [committed] = rooms.server.history
    rooms.server.push({ type: 'message', ...(committed as Message) })
    expect(room.outbox.entries).toHaveLength(0)
    expect(texts(room)).toEqual(['hello'])
  })

  test('goes over HTTP where the socket is down', async () => {
    rooms.server.socketsUp = false
    const room = await rooms.open()
    room.say('one')
    room.say('two')
    await pass(20)
    expect(texts(room)).toEqual(['one', 'two'])
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('that hangs over HTTP goes over the socket as soon as that is back', async () => {
    rooms.server.socketsUp = false
    const hanging = vi.fn(
      (_uri: string, _text: string, _id: string, signal: AbortSignal) =>
        new Promise<Message>((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new ApiError(0, 'aborted'))
          })
        }),
    )
    rooms.server.calls.post = hanging
    const room = await rooms.open()
    room.say('one')
    room.say('two')
    await pass(100)
    expect(hanging).toHaveBeenCalledOnce()
    rooms.server.socketsUp = true
    rooms.wakeups.wake()
    await pass(50)
    expect(texts(room)).toEqual(['one', 'two'])
    expect(room.outbox.entries).toHaveLength(0)
    // And nothing hangs any more when the socket is lost again.
    rooms.server.socketsUp = false
    rooms.server.socket.end(1006)
    room.say('three')
    expect(hanging).toHaveBeenCalledTimes(2)
  })

  test('goes over HTTP again when the socket came back and was gone before that was given up', async () => {
    rooms.server.socketsUp = false
    const { post } = rooms.server.calls
    rooms.server.calls.post = (_uri, _text, _id, signal) =>
      new Promise<Message>((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          setTimeout(() => {
            reject(new ApiError(0, 'aborted'))
          }, 5)
        })
      })
    const room = await rooms.open()
    room.say('one')
    rooms.server.silent = true
    rooms.server.socketsUp = true
    rooms.server.calls.post = post
    rooms.wakeups.wake()
    await pass(2)
    expect(room.live.value).toBe(true)
    rooms.server.socketsUp = false
    rooms.server.socket.end(1006)
    expect(texts(room)).toEqual([])
    await pass(20)
    expect(texts(room)).toEqual(['one'])
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('that nothing answers is sent again over a new connection, and stored once', async () => {
    const room = await rooms.open()
    rooms.server.silent = true
    room.say('hello')
    await pass(7_000)
    expect(rooms.server.sockets).toHaveLength(1)
    rooms.server.silent = false
    await pass(5_000)
    expect(rooms.server.sockets.length).toBeGreaterThan(1)
    expect(rooms.server.history.map((one) => one.message)).toEqual(['hello'])
    expect(texts(room)).toEqual(['hello'])
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('whose answer was lost is repeated with the same client_id and stands once', async () => {
    const room = await rooms.open()
    rooms.server.hints = false
    rooms.server.silent = true
    room.say('hello')
    const clientId = room.outbox.entries[0]?.clientId ?? ''
    rooms.server.commit(ANN, 'hello', clientId)
    rooms.server.silent = false
    rooms.server.hints = true
    rooms.server.socket.end(1006)
    await pass(2_000)
    expect(rooms.server.history).toHaveLength(1)
    expect(texts(room)).toEqual(['hello'])
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('fails visibly while nothing gets through, and a retry sends the same message', async () => {
    const room = await rooms.open()
    rooms.server.socketsUp = false
    rooms.server.httpUp = false
    rooms.server.socket.end(1006)
    room.say('hello')
    await pass(10)
    expect(room.outbox.entries[0]).toMatchObject({ state: 'failed', refused: false })
    const clientId = room.outbox.entries[0]?.clientId ?? ''
    rooms.server.httpUp = true
    room.retry(clientId)
    await pass(10)
    expect(rooms.server.history[0]).toMatchObject({ message: 'hello', client_id: clientId })
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('the rooms.server refuses says why, and is not sent again by itself', async () => {
    const room = await rooms.open()
    rooms.server.silent = true
    room.say('bad')
    const clientId = room.outbox.entries[0]?.clientId ?? ''
    rooms.server.push({
      type: 'error',
      code: 'invalid',
      detail: 'Not like this.',
      client_id: clientId,
    })
    expect(room.outbox.entries[0]).toMatchObject({ state: 'failed', reason: 'Not like this.' })
    rooms.server.silent = false
    rooms.server.socket.end(1012)
    await pass(5_000)
    expect(rooms.server.history).toHaveLength(0)
    room.retry(clientId)
    await pass(10)
    expect(rooms.server.history).toHaveLength(1)
  })

  test('that the server has no room for just now is sent again by itself, as the same one', async () => {
    const room = await rooms.open()
    rooms.server.silent = true
    room.say('hello')
    const clientId = room.outbox.entries[0]?.clientId ?? ''
    rooms.server.push({
      type: 'error',
      code: 'unavailable',
      detail: 'The database is away.',
      client_id: clientId,
    })
    expect(room.outbox.entries[0]).toMatchObject({ state: 'failed', refused: false })
    rooms.server.silent = false
    await pass(10_000)
    expect(rooms.server.history).toHaveLength(1)
    expect(rooms.server.history[0]).toMatchObject({ message: 'hello', client_id: clientId })
    expect(room.outbox.entries).toHaveLength(0)
    expect(rooms.server.asked.filter((call) => call.startsWith('post'))).toHaveLength(0)
  })

  test('survives a reload while offline as the same message', async () => {
    const before = await rooms.open()
    rooms.server.socketsUp = false
    rooms.server.httpUp = false
    rooms.server.socket.end(1006)
    before.say('hello')
    await pass(10)
    const clientId = before.outbox.entries[0]?.clientId
    before.abandon()
    rooms.server.socketsUp = true
    rooms.server.httpUp = true
    const after = await rooms.open()
    await pass(20)
    expect(rooms.server.history).toHaveLength(1)
    expect(rooms.server.history[0]).toMatchObject({ message: 'hello', client_id: clientId })
    expect(texts(after)).toEqual(['hello'])
    expect(after.outbox.entries).toHaveLength(0)
  })

  test('still goes out when one leaves the chat', async () => {
    const room = await rooms.open()
    rooms.server.socketsUp = false
    rooms.server.httpUp = false
    rooms.server.socket.end(1006)
    room.say('hello')
    await pass(10)
    room.close()
    rooms.server.httpUp = true
    await pass(5_000)
    expect(rooms.server.history.map((one) => one.message)).toEqual(['hello'])
  })

  test('stands once in each of two tabs', async () => {
    const one = await rooms.open()
    const other = await rooms.open()
    one.say('from one')
    other.say('from the other')
    await pass(20)
    expect(texts(one)).toEqual(['from one', 'from the other'])
    expect(texts(other)).toEqual(['from one', 'from the other'])
    expect(one.outbox.entries).toHaveLength(0)
    expect(other.outbox.entries).toHaveLength(0)
  })

  test('waits as long as the rooms.server asks when that was too fast', async () => {
    rooms.server.socketsUp = false
    const room = await rooms.open()
    await pass(100)
    rooms.server.refuseNext = new ApiError(429, 'throttled', { retryAfter: 10 })
    room.say('hello')
    await pass(20)
    expect(room.outbox.entries[0]?.state).toBe('failed')
    await pass(9_000)
    expect(rooms.server.history).toHaveLength(0)
    await pass(5_000)
    expect(rooms.server.history).toHaveLength(1)
  })
})
