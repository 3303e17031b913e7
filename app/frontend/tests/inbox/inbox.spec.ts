import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import type { ChatSummary } from '@/contract'
import { Inbox } from '@/inbox/inbox'

import { ANN, BOB, FakeCredentials, FakeServer, FakeWakeups, ME, message } from '../fakes/server'

let server: FakeServer
let inbox: Inbox
let list: ChatSummary[]
let next: string | null

function chat(uri: string, lastSeq: number, unread = 0): ChatSummary {
  const last = message(lastSeq, BOB, { uri })
  return {
    uri,
    owner: ANN,
    last_message: last,
    last_seq: lastSeq,
    unread,
    update_date: last.create_date,
  }
}

beforeEach(async () => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 5, 13) })
  server = new FakeServer()
  list = [chat('b', 20, 2), chat('a', 10)]
  next = null
  inbox = new Inbox({
    me: ME,
    calls: { ...server.calls, list: () => Promise.resolve({ results: list, next }) },
    credentials: new FakeCredentials(),
    connection: { connect: server.connect, wakeups: new FakeWakeups(), random: () => 0.5 },
  })
  inbox.start()
  await vi.advanceTimersByTimeAsync(20)
})

afterEach(() => {
  inbox.stop()
  vi.useRealTimers()
})

function uris(): string[] {
  return inbox.chats.value.map(({ uri }) => uri)
}

function live(uri: string, lastSeq: number, unread: number): void {
  const { last_message, last_seq } = chat(uri, lastSeq)
  server.socket.push({ type: 'chat', uri, last_message, last_seq, unread })
}

describe('the list of chats', () => {
  test('has the newest activity first, and moves a chat up when something is written', () => {
    expect(uris()).toEqual(['b', 'a'])
    live('a', 30, 1)
    expect(uris()).toEqual(['a', 'b'])
    expect(inbox.find('a')).toMatchObject({ last_seq: 30, unread: 1, owner: ANN })
  })

  test('counts what is unread, but not in the chat that is before one\u2019s eyes', () => {
    live('a', 30, 3)
    expect(inbox.unread.value).toBe(5)
    inbox.attended.value = 'a'
    expect(inbox.unread.value).toBe(2)
  })

  test('takes a chat that was read as read', () => {
    inbox.seen('b', 20)
    expect(inbox.unread.value).toBe(0)
  })

  test('keeps unread what came after the point one has read to', () => {
    live('b', 21, 3)
    inbox.seen('b', 20)
    expect(inbox.unread.value).toBe(3)
  })

  test('ignores news that are older than what it shows', () => {
    live('a', 30, 1)
    live('a', 29, 9)
    expect(inbox.find('a')).toMatchObject({ last_seq: 30, unread: 1 })
  })

  test('takes up a new chat and asks whose it is', async () => {
    list = [chat('new', 40, 1), ...list]
    live('new', 40, 1)
    expect(uris()[0]).toBe('new')
    expect(inbox.find('new')?.owner).toBeNull()
    await vi.advanceTimersByTimeAsync(20)
    expect(inbox.find('new')?.owner).toEqual(ANN)
  })

  test('drops a chat one has left', () => {
    server.socket.push({ type: 'left', uri: 'b' })
    expect(uris()).toEqual(['a'])
  })

  test('is fetched again after a reconnect, without the chats left meanwhile', async () => {
    server.socket.end(1012)
    list = [chat('a', 50, 4)]
    await vi.advanceTimersByTimeAsync(2_000)
    expect(uris()).toEqual(['a'])
    expect(inbox.unread.value).toBe(4)
  })

  test('notices that its socket is dead by what the list holds, or that nobody answers', async () => {
    const [first] = server.sockets
    await vi.advanceTimersByTimeAsync(61_000)
    expect(first?.state).toBe('open')
    list = [chat('b', 21, 3), chat('a', 10)]
    await vi.advanceTimersByTimeAsync(61_000)
    expect(first?.state).toBe('closed')
    expect(inbox.find('b')?.last_seq).toBe(21)
    expect(server.sockets).toHaveLength(2)
  })

  test('shows what a restored database has, though its numbers are lower', async () => {
    live('a', 30, 1)
    server.socket.end(1012)
    list = [chat('a', 12), chat('b', 20)]
    await vi.advanceTimersByTimeAsync(2_000)
    expect(inbox.find('a')).toMatchObject({ last_seq: 12, unread: 0 })
    live('a', 13, 1)
    expect(inbox.find('a')).toMatchObject({ last_seq: 13, unread: 1 })
  })

  test('keeps older pages that were fetched when the newest is fetched again', async () => {
    next = 'https://x.invalid/api/chats/?cursor=abc'
    live('c', 5, 0)
    await vi.advanceTimersByTimeAsync(20)
    list = [chat('b', 60), chat('a', 10)]
    await inbox.fetch()
    expect(uris()).toEqual(['b', 'a', 'c'])
  })

  test('tells of each message of somebody else once', () => {
    const heard: number[] = []
    inbox.onArrival(({ seq }) => heard.push(seq))
    live('a', 30, 1)
    live('a', 30, 0)
    live('a', 31, 1)
    const own = message(32, ANN, { uri: 'a' })
    server.socket.push({ type: 'chat', uri: 'a', last_message: own, last_seq: 32, unread: 0 })
    expect(heard).toEqual([30, 31])
  })
})
