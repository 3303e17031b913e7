import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defineComponent, h, nextTick, ref } from 'vue'

import { Room } from '@/chat/room'
import { MOST } from '@/chat/window'
import MessageList from '@/components/MessageList.vue'

import { ANN, BOB, FakeCredentials, FakeServer, FakeWakeups, ME } from '../fakes/server'
import { mount } from '../fakes/mount'
import type { Mounted } from '../fakes/mount'

let server: FakeServer
let room: Room
const looking = ref(true)

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 5, 13) })
  localStorage.clear()
  server = new FakeServer()
  looking.value = true
})

afterEach(() => {
  room.abandon()
  vi.useRealTimers()
})

async function pass(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
  await nextTick()
}

async function list(history: number, unreadAtFirst = 0): Promise<Mounted> {
  server.fill(history)
  room = new Room({
    uri: 'room',
    me: ME,
    calls: server.calls,
    credentials: new FakeCredentials(),
    member: true,
    connection: { connect: server.connect, wakeups: new FakeWakeups() },
  })
  void room.open()
  await pass(20)
  const Shown = defineComponent(
    () => () => h(MessageList, { room, looking: looking.value, unreadAtFirst }),
  )
  const mounted = await mount(Shown)
  await pass(100)
  return mounted
}

/** The seqs shown, read from the texts "message N". */
function shown({ all }: Mounted): number[] {
  return all('article .message-text').map((one) => Number(one.textContent.replace(/\D/g, '')))
}

function consecutive(seqs: readonly number[]): boolean {
  return seqs.every((seq, index) => index === 0 || seq === (seqs[index - 1] ?? 0) + 1)
}

/** This page has no layout: every place looks like the top and the bottom. */
async function scroll(mounted: Mounted): Promise<void> {
  mounted.find('[role=log]').dispatchEvent(new Event('scroll'))
  await pass(100)
}

/** Gives the box of messages sizes, as a browser's layout would. */
function lay(mounted: Mounted, sizes: { scrollHeight?: number; scrollTop?: number }): void {
  const box = mounted.find('[role=log]')
  const values = { clientHeight: 400, ...sizes }
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(box, name, { value, writable: true, configurable: true })
  }
}

describe('the list of messages', () => {
  test('is a log with one article a message', async () => {
    const mounted = await list(3)
    expect(shown(mounted)).toEqual([1, 2, 3])
    expect(mounted.find('[role=log]').getAttribute('aria-live')).toBe('polite')
  })

  test('takes in older history while one scrolls, without a gap, and never holds all of it', async () => {
    const mounted = await list(500)
    let least = shown(mounted)[0] ?? 0
    for (let step = 0; step < 30; step += 1) {
      await scroll(mounted)
      const seqs = shown(mounted)
      expect(consecutive(seqs)).toBe(true)
      expect(seqs.length).toBeLessThanOrEqual(MOST + 50)
      least = Math.min(least, seqs[0] ?? least)
    }
    expect(least).toBe(1)
  })

  test('asks for older history once where that fails, and again when one moves or is back', async () => {
    const mounted = await list(3000)
    const older = () => server.asked.filter((call) => call.includes('before')).length
    server.httpUp = false
    await pass(2_000)
    let before = older()
    await pass(5_000)
    expect(older()).toBe(before)
    await scroll(mounted)
    expect(older()).toBe(before + 1)
    expect(room.trouble.value).not.toBe('')
    before = older()
    server.httpUp = true
    await scroll(mounted)
    expect(older()).toBeGreaterThan(before)
    expect(room.trouble.value).toBe('')
  })

  test('leaves the focus where one writes when the first message comes', async () => {
    await list(0)
    const field = document.body.appendChild(document.createElement('input'))
    field.focus()
    server.commit(BOB, 'hello')
    await pass(100)
    expect(document.activeElement).toBe(field)
  })

  test('shows what comes in while one is at the end', async () => {
    const mounted = await list(3)
    server.commit(BOB, 'message 4')
    await pass(10)
    expect(shown(mounted)).toEqual([1, 2, 3, 4])
  })

  test('draws the line above what was unread when the chat was opened', async () => {
    const mounted = await list(5, 2)
    expect(mounted.find('.new-line').nextElementSibling?.textContent).toContain('message 4')
  })

  test('draws the line above what came while one looked elsewhere', async () => {
    const mounted = await list(2)
    looking.value = false
    await pass(10)
    server.commit(BOB, 'message 3')
    server.commit(BOB, 'message 4')
    await pass(10)
    expect(mounted.find('.new-line').nextElementSibling?.textContent).toContain('message 3')
  })

  test('draws no line for what comes before one\u2019s eyes, nor for one\u2019s own', async () => {
    const mounted = await list(2)
    server.commit(BOB, 'message 3')
    await pass(10)
    looking.value = false
    await pass(10)
    server.commit(ANN, 'message 4')
    await pass(10)
    expect(mounted.all('.new-line')).toHaveLength(0)
  })

  test('marks as read only what somebody looks at', async () => {
    looking.value = false
    await list(3)
    await pass(1_000)
    expect(server.readMarks).toEqual([])
    looking.value = true
    await pass(1_000)
    expect(server.readMarks).toEqual([3])
  })

  test('has one heading a day', async () => {
    const mounted = await list(2)
    vi.setSystemTime(Date.UTC(2026, 0, 7, 13))
    server.commit(BOB, 'message 3')
    await pass(10)
    expect(mounted.all('.day')).toHaveLength(2)
  })

  test('says Yesterday above a talk that stays open over night', async () => {
    const mounted = await list(1)
    expect(mounted.find('.day').textContent).toBe('Today')
    await pass(24 * 3600 * 1000)
    expect(mounted.find('.day').textContent).toBe('Yesterday')
  })

  test('stays at the end when words grow there, until the reader scrolls up', async () => {
    const mounted = await list(3)
    lay(mounted, { scrollHeight: 1000, scrollTop: 600 })
    await scroll(mounted)
    // "Not delivered" and its buttons, laid out before anything has scrolled to them.
    lay(mounted, { scrollHeight: 1100 })
    await scroll(mounted)
    expect(mounted.all('.jump')).toHaveLength(0)
    lay(mounted, { scrollTop: 500 })
    await scroll(mounted)
    expect(mounted.find('.jump').textContent).toContain('Jump to newest')
  })

  test('keeps the element of an own message from sending to sent', async () => {
    const mounted = await list(1)
    server.silent = true
    room.say('mine')
    await pass(10)
    const sending = mounted.all('article').at(-1)
    expect(sending?.textContent).toContain('Sending')
    server.commit(ANN, 'mine', room.outbox.entries[0]?.clientId)
    await pass(10)
    expect(mounted.all('article').at(-1)).toBe(sending)
    expect(sending?.textContent).toContain('Sent')
  })

  test('says who has read one\u2019s newest message', async () => {
    const mounted = await list(0)
    server.commit(ANN, 'mine')
    server.push({ type: 'read', user: BOB, seq: 1 })
    await pass(10)
    expect(mounted.find('.read-line').textContent).toBe('Read by bob')
  })

  test('is not confused by two people who chose the same client_id', async () => {
    const mounted = await list(0)
    const id = '5d3c2a44-0000-4000-8000-000000000000'
    server.commit(BOB, 'message 1', id)
    server.commit(ANN, 'message 2', id)
    await pass(10)
    expect(shown(mounted)).toEqual([1, 2])
  })
})
