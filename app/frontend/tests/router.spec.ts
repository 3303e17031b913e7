import { describe, expect, test } from 'vitest'
import { createMemoryHistory } from 'vue-router'

import { makeRouter, returnTo } from '@/router'
import { Session } from '@/session/session'
import type { SessionState } from '@/session/session'

import { FakeBrowser } from './fakes/tabs'

function routerFor(state: SessionState): ReturnType<typeof makeRouter> {
  const session = new Session(new FakeBrowser().tab())
  session.state.value = state
  return makeRouter(session, createMemoryHistory())
}

describe('who is signed out', () => {
  test.each(['/', '/chats', '/chats/abc', '/nowhere'])(
    'is asked to sign in at %s',
    async (path) => {
      const router = routerFor('out')
      await router.push(path)
      expect(router.currentRoute.value.name).toBe('auth')
    },
  )

  test('returns to the link they came by', async () => {
    const router = routerFor('out')
    await router.push('/chats/abc?x=1')
    expect(returnTo(router.currentRoute.value.query.next)).toBe('/chats/abc?x=1')
  })
})

describe('who is signed in', () => {
  test('sees what they asked for', async () => {
    const router = routerFor('in')
    await router.push('/chats/abc')
    expect(router.currentRoute.value).toMatchObject({ name: 'chat', params: { uri: 'abc' } })
  })

  test('has no business at the sign-in page', async () => {
    const router = routerFor('in')
    await router.push('/auth?next=/chats/abc')
    expect(router.currentRoute.value.fullPath).toBe('/chats/abc')
  })

  test('is told about an address that leads nowhere', async () => {
    const router = routerFor('in')
    await router.push('/no/such/page')
    expect(router.currentRoute.value.name).toBe('missing')
  })
})

test.each([
  'https://evil.example',
  '//evil.example',
  '/\\evil.example',
  'x',
  '/auth',
  null,
  ['/a'],
])('never leaves this page for %j after signing in', (next) => {
  expect(returnTo(next)).toBe('/')
})
