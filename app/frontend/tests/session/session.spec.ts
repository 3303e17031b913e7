import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { Session } from '@/session/session'

import { FakeAuthServer } from '../fakes/http'
import { FakeBrowser } from '../fakes/tabs'

let server: FakeAuthServer
let browser: FakeBrowser

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 5, 13) })
  localStorage.clear()
  sessionStorage.clear()
  server = new FakeAuthServer()
  server.install()
  browser = new FakeBrowser()
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

async function settle<T>(work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  await vi.advanceTimersByTimeAsync(100)
  return await work
}

async function signedIn(name = 'ann'): Promise<Session> {
  const session = new Session(browser.tab())
  await settle(session.start())
  await settle(session.signIn(name, 'right'))
  return session
}

describe('a session', () => {
  test('of a browser without a cookie is signed out, without an error', async () => {
    const session = new Session(browser.tab())
    await settle(session.start())
    expect(session.state.value).toBe('out')
    expect(session.notice.value).toBe('')
  })

  test('survives a reload by the cookie alone', async () => {
    await signedIn()
    const reloaded = new Session(browser.tab())
    await settle(reloaded.start())
    expect(reloaded.state.value).toBe('in')
    expect(reloaded.user.value?.username).toBe('ann')
  })

  test('asks for the cookie when it signs in, and keeps no token where a script could find it', async () => {
    const session = await signedIn()
    const token = await settle(session.token())
    expect(server.asked.find(({ path }) => path === '/auth/jwt/create/')?.body).toMatchObject({
      cookie: true,
    })
    const stored = JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie
    expect(stored).not.toContain(token)
  })

  test('says that the server cannot be reached, and starts when it can', async () => {
    server.up = false
    const session = new Session(browser.tab())
    await settle(session.start())
    expect(session.state.value).toBe('unreachable')
    server.up = true
    await settle(session.start())
    expect(session.state.value).toBe('out')
  })

  test('that is started once more is in again', async () => {
    const session = await signedIn()
    await settle(session.start())
    expect(session.state.value).toBe('in')
  })

  test('that becomes somebody else\u2019s starts over where it cannot be told whose', async () => {
    const one = await signedIn()
    const asBob = one.signIn('bob', 'right')
    await vi.advanceTimersByTimeAsync(15)
    server.up = false
    await settle(Promise.allSettled([asBob]))
    expect(one.user.value).toBeNull()
    expect(one.state.value).toBe('unreachable')
    server.up = true
    await settle(one.start())
    expect(one.user.value?.username).toBe('bob')
  })

  test('gives the reason when signing in is refused', async () => {
    const session = new Session(browser.tab())
    await settle(session.start())
    await expect(settle(session.signIn('ann', 'wrong'))).rejects.toThrow('No such account.')
    expect(session.state.value).toBe('out')
  })

  test('renews its access before it runs out, and tells its sockets', async () => {
    const session = await signedIn()
    const heard: string[] = []
    session.onRenewed((token) => heard.push(token))
    await vi.advanceTimersByTimeAsync(500_000)
    expect(heard).toHaveLength(0)
    await vi.advanceTimersByTimeAsync(90_000)
    expect(heard).toHaveLength(1)
    expect(await settle(session.token())).toBe(heard[0])
  })

  test('renews in time where tokens live for seconds only', async () => {
    server.lifetime = 8
    const session = await signedIn()
    const heard: string[] = []
    session.onRenewed((token) => heard.push(token))
    await vi.advanceTimersByTimeAsync(30_000)
    expect(heard.length).toBeGreaterThanOrEqual(4)
    expect(session.state.value).toBe('in')
  })

  test('goes on renewing when the server was away for a moment', async () => {
    const session = await signedIn()
    server.up = false
    await vi.advanceTimersByTimeAsync(550_000)
    server.up = true
    await vi.advanceTimersByTimeAsync(20_000)
    expect(session.state.value).toBe('in')
    expect(server.good.has(await settle(session.token()))).toBe(true)
  })

  test('renews once for many calls that are refused together, and repeats them', async () => {
    const session = await signedIn()
    server.good.clear()
    const before = server.count('/auth/jwt/refresh/')
    const calls = [1, 2, 3, 4, 5].map((n) => session.request('GET', `/api/chats/${String(n)}/`))
    await settle(Promise.all(calls))
    expect(server.count('/auth/jwt/refresh/')).toBe(before + 1)
  })

  test('renews once at a time also where the browser has no locks', async () => {
    const unlocked = {
      ...browser.tab(),
      alone: <T>(_name: string, work: () => Promise<T>) => work(),
    }
    const session = new Session(unlocked)
    await settle(session.start())
    await settle(session.signIn('ann', 'right'))
    server.good.clear()
    const before = server.count('/auth/jwt/refresh/')
    await settle(Promise.all([1, 2, 3].map(() => session.request('GET', '/api/chats/'))))
    expect(server.count('/auth/jwt/refresh/')).toBe(before + 1)
  })

  test('that the server has ended says so and asks to sign in', async () => {
    const session = await signedIn()
    server.endSession()
    const call = session.request('GET', '/api/chats/')
    await expect(settle(call)).rejects.toMatchObject({ status: 401 })
    expect(session.state.value).toBe('out')
    expect(session.notice.value).toContain('Your session is over')
    expect(session.signedOutOnPurpose).toBe(false)
  })

  test('keeps its last word when more calls are refused afterwards', async () => {
    const session = await signedIn()
    server.endSession()
    const calls = ['one', 'two'].map((name) => session.request('GET', `/api/${name}/`))
    await settle(Promise.allSettled(calls))
    await settle(Promise.allSettled([session.request('GET', '/api/three/')]))
    expect(session.notice.value).toContain('Your session is over')
  })
})

describe('signing out', () => {
  test('asks for no other token when the server closes the sockets before it answers', async () => {
    const session = await signedIn()
    const before = server.count('/auth/jwt/refresh/')
    const [left, token] = [session.signOut(), session.token('any, the socket was refused')]
    await settle(Promise.allSettled([left, token]))
    await expect(token).rejects.toMatchObject({ status: 401 })
    expect(server.count('/auth/jwt/refresh/')).toBe(before)
    expect(session.state.value).toBe('out')
  })

  test('that did not reach the server leaves one signed in', async () => {
    const session = await signedIn()
    server.up = false
    await expect(settle(session.signOut())).rejects.toMatchObject({ status: 0 })
    expect(session.state.value).toBe('in')
    server.up = true
    await settle(session.signOut())
    expect(session.state.value).toBe('out')
  })
})

describe('two tabs', () => {
  async function twoTabs(): Promise<[Session, Session]> {
    const one = await signedIn()
    const other = new Session(browser.tab())
    await settle(other.start())
    return [one, other]
  }

  test('renew once for both', async () => {
    const [one, other] = await twoTabs()
    const before = server.count('/auth/jwt/refresh/')
    server.good.clear()
    await settle(
      Promise.all([one.request('GET', '/api/chats/'), other.request('GET', '/api/chats/')]),
    )
    expect(server.count('/auth/jwt/refresh/')).toBe(before + 1)
    expect(await settle(one.token())).toBe(await settle(other.token()))
  })

  test('are both signed out when one signs out', async () => {
    const [one, other] = await twoTabs()
    const forgotten = vi.fn()
    other.onSignedOut(forgotten)
    await settle(one.signOut())
    expect(one.state.value).toBe('out')
    expect(other.state.value).toBe('out')
    expect(other.notice.value).toBe('You signed out in another tab.')
    expect(forgotten).toHaveBeenCalledExactlyOnceWith(1)
    await expect(settle(other.token())).rejects.toMatchObject({ status: 401 })
  })

  test('both know why, also where the server has said before that the session is over', async () => {
    const [one, other] = await twoTabs()
    const refused = other.token('any, the socket was refused')
    server.endSession()
    await settle(Promise.allSettled([refused, one.signOut()]))
    expect(other.notice.value).toBe('You signed out in another tab.')
    expect(other.state.value).toBe('out')
  })

  test('are both signed in when one signs in', async () => {
    const waiting = new Session(browser.tab())
    await settle(waiting.start())
    await signedIn()
    await vi.advanceTimersByTimeAsync(100)
    expect(waiting.state.value).toBe('in')
  })

  test('send nothing of one person in the name of another', async () => {
    const [one, other] = await twoTabs()
    server.good.clear()
    const call = other.request('POST', '/api/chats/room/messages/', { message: 'by ann' })
    await settle(Promise.allSettled([one.signIn('bob', 'right'), call]))
    await expect(call).rejects.toMatchObject({ status: 401 })
    expect(other.user.value?.username).toBe('bob')
    const asked = server.asked.filter(({ body }) => JSON.stringify(body).includes('by ann'))
    expect(asked).toHaveLength(1)
  })

  test('follow when one of them signs in as somebody else', async () => {
    const [one, other] = await twoTabs()
    await settle(one.signIn('bob', 'right'))
    await vi.advanceTimersByTimeAsync(100)
    expect(other.user.value?.username).toBe('bob')
  })
})
