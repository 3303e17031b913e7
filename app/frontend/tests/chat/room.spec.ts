import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { ApiError } from '@/api/errors'
import { Room } from '@/chat/room'
import type { Message } from '@/contract'

import { ANN, BOB, FakeCredentials, FakeServer, FakeWakeups, ME, message } from '../fakes/server'

let server: FakeServer
let wakeups: FakeWakeups
let rooms: Room[]

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 5, 13) })
  localStorage.clear()
  server = new FakeServer()
  wakeups = new FakeWakeups()
  rooms = []
})

afterEach(() => {
  for (const room of rooms) room.abandon()
  vi.useRealTimers()
})

function makeRoom(member = true): Room {
  const room = new Room({
    uri: 'room',
    me: ME,
    calls: server.calls,
    credentials: new FakeCredentials(),
    member,
    connection: { connect: server.connect, wakeups, random: () => 0.5 },
  })
  rooms.push(room)
  return room
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

async function openRoom(member = true): Promise<Room> {
  const room = makeRoom(member)
  void room.open()
  await pass(20)
  return room
}

function seqs(room: Room): number[] {
  return room.log.messages.value.map(({ seq }) => seq)
}

function texts(room: Room): string[] {
  return room.log.messages.value.map((one) => one.message)
}

function oneTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1)
}

describe('opening a chat', () => {
  test('shows the newest page and then follows', async () => {
    server.fill(60)
    const room = await openRoom()
    expect(seqs(room)).toEqual(oneTo(60).slice(10))
    expect(room.log.hasOlder.value).toBe(true)
    expect(room.live.value).toBe(true)
    server.commit(BOB, 'live')
    expect(texts(room).at(-1)).toBe('live')
  })

  test('joins first when one comes by a link', async () => {
    await openRoom(false)
    expect(server.asked[0]).toBe('join ann')
  })

  test('does not join again a chat of one\u2019s own list', async () => {
    await openRoom()
    expect(server.asked.some((call) => call.startsWith('join'))).toBe(false)
  })

  test.each([
    [404, 'no-such-chat'],
    [403, 'not-a-member'],
  ])('answered with %i says "%s"', async (status, obstacle) => {
    server.refuseNext = new ApiError(status, 'no')
    const room = await openRoom()
    expect(room.obstacle.value).toBe(obstacle)
    expect(server.sockets).toHaveLength(0)
  })

  test('tries again by itself when the server is away', async () => {
    server.httpUp = false
    const room = await openRoom()
    expect(room.obstacle.value).toBe('away')
    server.httpUp = true
    await pass(5_000)
    expect(room.obstacle.value).toBeNull()
    expect(room.live.value).toBe(true)
  })

  test('fetches older history page by page, to the beginning', async () => {
    server.fill(120)
    const room = await openRoom()
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
    server.fill(3)
    const room = await openRoom()
    server.socket.end(1006)
    server.httpUp = false
    server.fill(2)
    await pass(1_000)
    expect(server.socket.url.search).toBe('?after=3&epoch=first')
    expect(seqs(room)).toEqual(oneTo(5))
    expect(room.live.value).toBe(true)
  })

  test('comes back with messages of both sides, each once and in one order', async () => {
    const room = await openRoom()
    room.say('before')
    await pass(20)
    server.socketsUp = false
    server.httpUp = false
    wakeups.lose()
    room.say('written offline 1')
    room.say('written offline 2')
    server.commit(BOB, 'bob meanwhile')
    await pass(30_000)
    expect(texts(room)).toEqual(['before'])
    server.socketsUp = true
    server.httpUp = true
    wakeups.wake()
    await pass(100)
    expect(texts(room)).toEqual([
      'before',
      'bob meanwhile',
      'written offline 1',
      'written offline 2',
    ])
    expect(server.history).toHaveLength(4)
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('is not looked for over HTTP when the session is over', async () => {
    await openRoom()
    const before = server.asked.length
    server.socket.end(4401)
    await pass(1)
    expect(server.asked).toHaveLength(before)
  })

  test('still brings messages, over HTTP, where sockets do not get through', async () => {
    server.socketsUp = false
    const room = await openRoom()
    server.commit(BOB, 'by another way')
    await pass(40_000)
    expect(texts(room)).toEqual(['by another way'])
  })
})

describe('a gap', () => {
  test('in front of a live message is filled from the table', async () => {
    server.fill(2)
    const room = await openRoom()
    server.hints = false
    server.commit(BOB, 'lost hint')
    server.hints = true
    server.commit(BOB, 'arrived')
    expect(seqs(room)).toEqual([1, 2])
    await pass(20)
    expect(texts(room).slice(2)).toEqual(['lost hint', 'arrived'])
  })

  test('of several hundred messages is filled page by page', async () => {
    const room = await openRoom()
    server.fill(450)
    server.commit(BOB, 'newest')
    await pass(50)
    expect(seqs(room)).toEqual(oneTo(451))
  })

  test('that a ready frame tells of is filled', async () => {
    const room = await openRoom()
    server.hints = false
    server.commit(BOB, 'not replayed')
    server.push({ type: 'ready', seq: 1, epoch: 'first' })
    await pass(20)
    expect(texts(room)).toEqual(['not replayed'])
  })

  test('nobody notices is found by looking, when nothing is heard for long', async () => {
    const room = await openRoom()
    server.hints = false
    server.commit(BOB, 'unheard')
    await pass(60_000)
    expect(texts(room)).toEqual(['unheard'])
  })
})

describe('a reset', () => {
  test('drops what was held and begins with the newest page of the other history', async () => {
    server.fill(5)
    const room = await openRoom()
    server.socket.end(1012)
    server.epoch = 'second'
    server.history = [message(1, BOB, { message: 'restored 1' })]
    await pass(2_000)
    expect(texts(room)).toEqual(['restored 1'])
    server.commit(BOB, 'live again')
    expect(texts(room)).toEqual(['restored 1', 'live again'])
    expect(room.live.value).toBe(true)
  })

  test('shows nothing of the old history any more, and mixes nothing of the new one into it', async () => {
    server.fill(3)
    const room = await openRoom()
    server.httpUp = false
    server.push({ type: 'reset', seq: 3, epoch: 'second' })
    server.push({ type: 'message', ...message(4, BOB, { message: 'of the new history' }) })
    expect(texts(room)).toEqual([])
    server.history = [1, 2, 3, 4].map((seq) => message(seq, BOB, { message: `new ${String(seq)}` }))
    server.httpUp = true
    await pass(2_000)
    expect(texts(room)).toEqual(['new 1', 'new 2', 'new 3', 'new 4'])
  })

  test('when far behind loses no message that comes while the page is fetched', async () => {
    const room = await openRoom()
    server.socketsUp = false
    server.httpUp = false
    server.socket.end(1006)
    server.fill(1500)
    await pass(1_000)
    server.socketsUp = true
    server.httpUp = true
    wakeups.wake()
    await pass(2)
    server.commit(BOB, 'in between')
    await pass(1_000)
    expect(texts(room).at(-1)).toBe('in between')
    expect(seqs(room)).toEqual(oneTo(1501).slice(-seqs(room).length))
    expect(room.log.hasOlder.value).toBe(true)
  })

  test('keeps what was written and not yet sent', async () => {
    server.fill(3)
    const room = await openRoom()
    server.httpUp = false
    server.socketsUp = false
    server.socket.end(1006)
    room.say('still mine')
    await pass(1_000)
    server.epoch = 'second'
    server.history = []
    server.socketsUp = true
    server.httpUp = true
    wakeups.wake()
    await pass(1_000)
    expect(texts(room)).toEqual(['still mine'])
  })
})

describe('an own message', () => {
  test('is sending until the server has committed it', async () => {
    const room = await openRoom()
    server.silent = true
    room.say('hello')
    expect(room.outbox.entries[0]).toMatchObject({ text: 'hello', state: 'sending' })
    server.commit(ANN, 'hello', room.outbox.entries[0]?.clientId)
    expect(room.outbox.entries).toHaveLength(0)
    expect(texts(room)).toEqual(['hello'])
  })

  test('acknowledged before it is delivered is shown as sent, once', async () => {
    const room = await openRoom()
    server.hints = false
    room.say('hello')
    await pass(5)
    expect(room.outbox.entries[0]?.state).toBe('sent')
    const [committed] = server.history
    server.push({ type: 'message', ...(committed as Message) })
    expect(room.outbox.entries).toHaveLength(0)
    expect(texts(room)).toEqual(['hello'])
  })

  test('goes over HTTP where the socket is down', async () => {
    server.socketsUp = false
    const room = await openRoom()
    room.say('one')
    room.say('two')
    await pass(20)
    expect(texts(room)).toEqual(['one', 'two'])
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('that hangs over HTTP goes over the socket as soon as that is back', async () => {
    server.socketsUp = false
    const hanging = vi.fn(
      (_uri: string, _text: string, _id: string, signal: AbortSignal) =>
        new Promise<Message>((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(new ApiError(0, 'aborted'))
          })
        }),
    )
    server.calls.post = hanging
    const room = await openRoom()
    room.say('one')
    room.say('two')
    await pass(100)
    expect(hanging).toHaveBeenCalledOnce()
    server.socketsUp = true
    wakeups.wake()
    await pass(50)
    expect(texts(room)).toEqual(['one', 'two'])
    expect(room.outbox.entries).toHaveLength(0)
    // And nothing hangs any more when the socket is lost again.
    server.socketsUp = false
    server.socket.end(1006)
    room.say('three')
    expect(hanging).toHaveBeenCalledTimes(2)
  })

  test('that nothing answers is sent again over a new connection, and stored once', async () => {
    const room = await openRoom()
    server.silent = true
    room.say('hello')
    await pass(7_000)
    expect(server.sockets).toHaveLength(1)
    server.silent = false
    await pass(5_000)
    expect(server.sockets.length).toBeGreaterThan(1)
    expect(server.history.map((one) => one.message)).toEqual(['hello'])
    expect(texts(room)).toEqual(['hello'])
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('whose answer was lost is repeated with the same client_id and stands once', async () => {
    const room = await openRoom()
    server.hints = false
    server.silent = true
    room.say('hello')
    const clientId = room.outbox.entries[0]?.clientId ?? ''
    server.commit(ANN, 'hello', clientId)
    server.silent = false
    server.hints = true
    server.socket.end(1006)
    await pass(2_000)
    expect(server.history).toHaveLength(1)
    expect(texts(room)).toEqual(['hello'])
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('fails visibly while nothing gets through, and a retry sends the same message', async () => {
    const room = await openRoom()
    server.socketsUp = false
    server.httpUp = false
    server.socket.end(1006)
    room.say('hello')
    await pass(10)
    expect(room.outbox.entries[0]).toMatchObject({ state: 'failed', refused: false })
    const clientId = room.outbox.entries[0]?.clientId ?? ''
    server.httpUp = true
    room.retry(clientId)
    await pass(10)
    expect(server.history[0]).toMatchObject({ message: 'hello', client_id: clientId })
    expect(room.outbox.entries).toHaveLength(0)
  })

  test('the server refuses says why, and is not sent again by itself', async () => {
    const room = await openRoom()
    server.silent = true
    room.say('bad')
    const clientId = room.outbox.entries[0]?.clientId ?? ''
    server.push({ type: 'error', code: 'invalid', detail: 'Not like this.', client_id: clientId })
    expect(room.outbox.entries[0]).toMatchObject({ state: 'failed', reason: 'Not like this.' })
    server.silent = false
    server.socket.end(1012)
    await pass(5_000)
    expect(server.history).toHaveLength(0)
    room.retry(clientId)
    await pass(10)
    expect(server.history).toHaveLength(1)
  })

  test('survives a reload while offline as the same message', async () => {
    const before = await openRoom()
    server.socketsUp = false
    server.httpUp = false
    server.socket.end(1006)
    before.say('hello')
    await pass(10)
    const clientId = before.outbox.entries[0]?.clientId
    before.abandon()
    server.socketsUp = true
    server.httpUp = true
    const after = await openRoom()
    await pass(20)
    expect(server.history).toHaveLength(1)
    expect(server.history[0]).toMatchObject({ message: 'hello', client_id: clientId })
    expect(texts(after)).toEqual(['hello'])
    expect(after.outbox.entries).toHaveLength(0)
  })

  test('still goes out when one leaves the chat', async () => {
    const room = await openRoom()
    server.socketsUp = false
    server.httpUp = false
    server.socket.end(1006)
    room.say('hello')
    await pass(10)
    room.close()
    server.httpUp = true
    await pass(5_000)
    expect(server.history.map((one) => one.message)).toEqual(['hello'])
  })

  test('stands once in each of two tabs', async () => {
    const one = await openRoom()
    const other = await openRoom()
    one.say('from one')
    other.say('from the other')
    await pass(20)
    expect(texts(one)).toEqual(['from one', 'from the other'])
    expect(texts(other)).toEqual(['from one', 'from the other'])
    expect(one.outbox.entries).toHaveLength(0)
    expect(other.outbox.entries).toHaveLength(0)
  })

  test('waits as long as the server asks when that was too fast', async () => {
    server.socketsUp = false
    const room = await openRoom()
    await pass(100)
    server.refuseNext = new ApiError(429, 'throttled', { retryAfter: 10 })
    room.say('hello')
    await pass(20)
    expect(room.outbox.entries[0]?.state).toBe('failed')
    await pass(9_000)
    expect(server.history).toHaveLength(0)
    await pass(5_000)
    expect(server.history).toHaveLength(1)
  })
})

describe('the people of a chat', () => {
  test('are typing for a few seconds, until they send or stop', async () => {
    const room = await openRoom()
    server.push({ type: 'typing', user: BOB })
    expect([...room.typing.users.keys()]).toEqual([BOB.id])
    await pass(5_000)
    expect(room.typing.users.size).toBe(0)
    server.push({ type: 'typing', user: BOB })
    server.commit(BOB, 'done')
    expect(room.typing.users.size).toBe(0)
  })

  test('are told that one types, but not at every key', async () => {
    const room = await openRoom()
    for (let key = 0; key < 10; key += 1) {
      room.pressedKey()
      await pass(200)
    }
    expect(server.socket.sent.filter(({ type }) => type === 'typing')).toHaveLength(1)
    await pass(2_000)
    room.pressedKey()
    expect(server.socket.sent.filter(({ type }) => type === 'typing')).toHaveLength(2)
  })

  test('are told that one types on after a message, no sooner than the server takes it', async () => {
    const room = await openRoom()
    const told = () => server.socket.sent.filter(({ type }) => type === 'typing').length
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
    server.fill(3)
    const room = await openRoom()
    room.markRead()
    room.markRead()
    await pass(1_000)
    server.commit(BOB, 'another')
    room.markRead()
    await pass(1_000)
    room.markRead()
    await pass(1_000)
    expect(server.readMarks).toEqual([3, 4])
  })

  test('have read as far as the furthest mark that was heard', async () => {
    const room = await openRoom()
    server.push({ type: 'read', user: BOB, seq: 5 })
    server.push({ type: 'read', user: BOB, seq: 3 })
    expect(room.reads.get(BOB.id)).toBe(5)
  })

  test('are not shown as online while one is oneself cut off', async () => {
    const room = await openRoom()
    server.push({ type: 'presence', online: [ANN, BOB] })
    expect(room.online.value).toHaveLength(2)
    server.socketsUp = false
    server.socket.end(1006)
    expect(room.online.value).toEqual([])
  })

  test('are told nothing when they leave, also when the socket closes before the answer', async () => {
    const room = await openRoom()
    const left = room.remove(ME.username)
    server.socket.end(4403)
    await pass(20)
    await left
    expect(room.obstacle.value).toBeNull()
  })

  test('lose the chat when they are removed while it is open', async () => {
    const room = await openRoom()
    server.socket.end(4403)
    expect(room.obstacle.value).toBe('not-a-member')
    await pass(60_000)
    expect(server.sockets).toHaveLength(1)
  })
})
