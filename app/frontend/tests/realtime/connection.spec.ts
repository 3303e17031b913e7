import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { ApiError } from '@/api/errors'
import { backoff } from '@/realtime/backoff'
import { Connection } from '@/realtime/connection'
import type { ConnectionOptions, Line } from '@/realtime/connection'

import { FakeCredentials, FakeServer, FakeWakeups } from '../fakes/server'

let server: FakeServer
let credentials: FakeCredentials
let wakeups: FakeWakeups
let lines: Line[]

beforeEach(() => {
  vi.useFakeTimers()
  server = new FakeServer()
  credentials = new FakeCredentials()
  wakeups = new FakeWakeups()
  lines = []
})

afterEach(() => {
  vi.useRealTimers()
})

function start(changes: Partial<ConnectionOptions> = {}): Connection {
  const connection = new Connection({
    path: () => '/ws/inbox/',
    credentials,
    connect: server.connect,
    wakeups,
    random: () => 0.5,
    onFrame: () => undefined,
    onLine: (line) => lines.push(line),
    ...changes,
  })
  connection.start()
  return connection
}

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

describe('backoff', () => {
  test('grows exponentially and stays under its cap', () => {
    const full = () => 0.999999
    const waits = [0, 1, 2, 3, 50].map((attempt) => Math.round(backoff(attempt, full)))
    expect(waits).toEqual([800, 1600, 3200, 6400, 30_000])
  })

  test('is spread over the whole span from nothing on', () => {
    expect(backoff(5, () => 0)).toBe(0)
    expect(backoff(3, () => 0.25)).toBe(1600)
  })
})

describe('a connection', () => {
  test('brings the access token as a subprotocol and never in the address', async () => {
    start()
    await pass(5)
    expect(server.socket.protocols).toEqual(['chatire', 'jwt.token-1'])
    expect(server.socket.url.href).not.toContain('token-1')
    expect(lines).toEqual(['connecting', 'open'])
  })

  test('comes back after the server restarts, and not all clients at the same moment', async () => {
    start()
    await pass(10_000)
    server.socket.end(1012)
    expect(server.sockets).toHaveLength(1)
    await pass(399)
    expect(server.sockets).toHaveLength(1)
    await pass(5)
    expect(server.sockets).toHaveLength(2)
    expect(server.socket.state).toBe('open')
  })

  test('waits longer after each try that failed', async () => {
    server.socketsUp = false
    start()
    const tries: number[] = []
    for (let second = 0; second < 60; second += 1) {
      await pass(1000)
      tries.push(server.sockets.length)
    }
    expect(tries.at(-1)).toBeLessThan(12)
    expect(tries.at(-1)).toBeGreaterThan(4)
  })

  test('starts with short waits again after a connection that lasted', async () => {
    server.socketsUp = false
    start()
    await pass(60_000)
    server.socketsUp = true
    await pass(40_000)
    server.socket.end(1006)
    const before = server.sockets.length
    await pass(500)
    expect(server.sockets).toHaveLength(before + 1)
  })

  test('starts with short waits again after a good connection that it gave up itself', async () => {
    server.socketsUp = false
    const connection = start()
    await pass(60_000)
    server.socketsUp = true
    wakeups.wake()
    await pass(10_000)
    const before = server.sockets.length
    connection.restart()
    await pass(500)
    expect(server.sockets).toHaveLength(before + 1)
  })

  test('tries at once when the network or the tab comes back', async () => {
    server.socketsUp = false
    start()
    await pass(60_000)
    server.socketsUp = true
    const before = server.sockets.length
    wakeups.wake()
    await pass(5)
    expect(server.sockets).toHaveLength(before + 1)
    expect(server.socket.state).toBe('open')
  })

  test('leaves an open socket alone when the tab comes back', async () => {
    start()
    await pass(5)
    wakeups.wake()
    await pass(5)
    expect(server.sockets).toHaveLength(1)
  })

  test('lets the socket go when the browser says the network is gone', async () => {
    start()
    await pass(5)
    const [first] = server.sockets
    wakeups.lose()
    expect(first?.state).toBe('closed')
    expect(lines.at(-1)).toBe('waiting')
  })

  test('gives up a handshake that nobody answers', async () => {
    server.connect('ws://nowhere', [])
    server.sockets.length = 0
    const hanging = vi.fn((url: string, protocols: string[]) => {
      const socket = server.connect(url, protocols)
      server.sockets.at(-1)?.close()
      return socket
    })
    start({ connect: hanging })
    await pass(9_999)
    expect(hanging).toHaveBeenCalledTimes(1)
    await pass(1_000)
    expect(hanging).toHaveBeenCalledTimes(2)
  })

  test('renews its access on the open socket', async () => {
    start()
    await pass(5)
    credentials.renew('token-2')
    expect(server.socket.sent).toEqual([{ type: 'auth', token: 'token-2' }])
    expect(server.sockets).toHaveLength(1)
  })

  test('asks for another token after 4401 and comes back with it', async () => {
    start()
    await pass(5)
    server.socket.end(4401)
    await pass(1000)
    expect(credentials.refused).toEqual([undefined, 'token-1'])
    expect(server.socket.protocols[1]).toBe('jwt.token-1+')
  })

  test('ends when the session is over', async () => {
    start()
    await pass(5)
    credentials.token = () => Promise.reject(new ApiError(401, 'over'))
    server.socket.end(4401)
    await pass(60_000)
    expect(lines.at(-1)).toBe('closed')
    expect(server.sockets).toHaveLength(1)
  })

  test('keeps trying while no token can be had because the server is away', async () => {
    credentials.token = () => Promise.reject(new ApiError(0, 'away'))
    start()
    await pass(5_000)
    expect(server.sockets).toHaveLength(0)
    credentials.token = () => Promise.resolve('late')
    await pass(40_000)
    expect(server.socket.protocols[1]).toBe('jwt.late')
  })

  test.each([4403, 4404])('does not come back after %i, and says so', async (code) => {
    const onRefused = vi.fn()
    start({ onRefused })
    await pass(5)
    server.socket.end(code)
    await pass(60_000)
    expect(onRefused).toHaveBeenCalledExactlyOnceWith(code)
    expect(server.sockets).toHaveLength(1)
  })

  test('does not come back after it was stopped', async () => {
    const connection = start()
    await pass(5)
    connection.stop()
    wakeups.wake()
    await pass(60_000)
    expect(server.sockets).toHaveLength(1)
    expect(connection.send({ type: 'typing' })).toBe(false)
  })

  test('hears nothing from a socket it has let go', async () => {
    const onFrame = vi.fn()
    const connection = start({ onFrame })
    await pass(5)
    const first = server.socket
    connection.restart()
    first.state = 'open'
    first.push({ type: 'ready', seq: 1, epoch: 'x' })
    first.end(4403)
    await pass(1000)
    expect(onFrame.mock.calls.flat()).not.toContainEqual({ type: 'ready', seq: 1, epoch: 'x' })
    expect(server.socket.state).toBe('open')
  })
})
