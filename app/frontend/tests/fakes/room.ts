/** Rooms on a server in memory, with time that passes when a test says so. */

import { afterEach, beforeEach, vi } from 'vitest'

import { Room } from '@/chat/room'

import { FakeCredentials, FakeServer, FakeWakeups, ME } from './server'

export interface Rooms {
  server: FakeServer
  wakeups: FakeWakeups
  /** Opens the chat, as one who is known to be a member unless told otherwise. */
  open: (member?: boolean) => Promise<Room>
}

/** Called at the top of a file of tests: each test gets a server of its own. */
export function useRooms(): Rooms {
  let opened: Room[] = []
  const rooms: Rooms = {
    server: new FakeServer(),
    wakeups: new FakeWakeups(),
    open: async (member = true) => {
      const room = new Room({
        uri: 'room',
        me: ME,
        calls: rooms.server.calls,
        credentials: new FakeCredentials(),
        member,
        connection: { connect: rooms.server.connect, wakeups: rooms.wakeups, random: () => 0.5 },
      })
      opened.push(room)
      void room.open()
      await pass(20)
      return room
    },
  }
  beforeEach(() => {
    vi.useFakeTimers({ now: Date.UTC(2026, 0, 5, 13) })
    localStorage.clear()
    opened = []
    rooms.server = new FakeServer()
    rooms.wakeups = new FakeWakeups()
  })
  afterEach(() => {
    for (const room of opened) room.abandon()
    vi.useRealTimers()
  })
  return rooms
}

export async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

export function seqs(room: Room): number[] {
  return room.log.messages.value.map(({ seq }) => seq)
}

export function texts(room: Room): string[] {
  return room.log.messages.value.map((one) => one.message)
}

export function oneTo(last: number): number[] {
  return Array.from({ length: last }, (_, index) => index + 1)
}
