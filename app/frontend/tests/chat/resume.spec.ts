import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Outbox } from '@/chat/outbox'
import { resumeUnsent } from '@/chat/resume'

import { FakeServer, ME } from '../fakes/server'

let server: FakeServer
let stop: () => void

beforeEach(() => {
  vi.useFakeTimers()
  localStorage.clear()
  server = new FakeServer()
})

afterEach(() => {
  stop()
  vi.useRealTimers()
})

describe('after a reload', () => {
  test('what was unsent in chats that are not open goes out, in order and once', async () => {
    const before = new Outbox(ME.id, 'room')
    const first = before.add('one')
    before.add('two')
    stop = resumeUnsent(ME, server.calls)
    await vi.advanceTimersByTimeAsync(100)
    expect(server.history.map(({ message }) => message)).toEqual(['one', 'two'])
    expect(server.history[0]?.client_id).toBe(first.clientId)
    expect(new Outbox(ME.id, 'room').entries).toHaveLength(0)
  })

  test('it is tried again until the server is there', async () => {
    new Outbox(ME.id, 'room').add('one')
    server.httpUp = false
    stop = resumeUnsent(ME, server.calls)
    await vi.advanceTimersByTimeAsync(5_000)
    expect(server.history).toHaveLength(0)
    server.httpUp = true
    await vi.advanceTimersByTimeAsync(60_000)
    expect(server.history).toHaveLength(1)
  })

  test('nothing of another person is sent', async () => {
    new Outbox(ME.id + 10, 'room').add('theirs')
    stop = resumeUnsent(ME, server.calls)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(server.history).toHaveLength(0)
  })
})
