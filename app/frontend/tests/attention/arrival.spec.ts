import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createMemoryHistory } from 'vue-router'

import { sound } from '@/attention/preferences'
import * as soundModule from '@/attention/sound'
import SignedIn from '@/components/SignedIn.vue'
import { SESSION } from '@/context'
import { makeRouter } from '@/router'
import { Session } from '@/session/session'

import { mount } from '../fakes/mount'
import { BOB, FakeServer, ME, message } from '../fakes/server'
import { FakeBrowser } from '../fakes/tabs'

let server: FakeServer

beforeEach(() => {
  vi.useFakeTimers()
  localStorage.clear()
  server = new FakeServer()
  const connect = server.connect
  vi.stubGlobal('WebSocket', function (url: string, protocols: string[]) {
    return connect(url, protocols)
  })
  vi.stubGlobal('fetch', () => Promise.resolve(new Response('{"results": [], "next": null}')))
  sound.value = true
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function arrive(focused: boolean): Promise<ReturnType<typeof vi.fn>> {
  const chime = vi.spyOn(soundModule, 'chime').mockImplementation(() => undefined)
  vi.spyOn(document, 'hasFocus').mockReturnValue(focused)
  const session = new Session(new FakeBrowser().tab())
  session.token = () => Promise.resolve('token')
  await mount(SignedIn, { me: ME }, (app) => {
    app.provide(SESSION, session).use(makeRouter(session, createMemoryHistory()))
  })
  await vi.advanceTimersByTimeAsync(50)
  const last_message = message(7, BOB, { uri: 'room' })
  server.socket.push({ type: 'chat', uri: 'room', last_message, last_seq: 7, unread: 1 })
  await vi.advanceTimersByTimeAsync(500)
  return chime as never
}

test('a message makes a sound while the window has no focus', async () => {
  expect(await arrive(false)).toHaveBeenCalledOnce()
})

test('a message makes no sound while somebody looks', async () => {
  expect(await arrive(true)).not.toHaveBeenCalled()
})

test('a message makes no sound where that was turned off', async () => {
  sound.value = false
  expect(await arrive(false)).not.toHaveBeenCalled()
})
