/**
 * Who is signed in. The access token lives in memory only; the refresh token is a cookie that no
 * script can read. All tabs of a browser share one sign-in.
 */

import { ref, shallowRef, watch } from 'vue'

import { ApiError, signedOutError } from '@/api/errors'
import { send } from '@/api/send'
import type { Call } from '@/api/send'
import type { Account } from '@/contract'

import { browserTabs } from './tabs'
import type { Tabs } from './tabs'
import { AccessToken } from './token'

export type SessionState = 'starting' | 'unreachable' | 'in' | 'out'

/** How long after a renewal that got no answer the next is tried. */
const RETRY_RENEWAL_MS = 5_000

/** Tabs renew at slightly different times, so that the first one's token serves them all. */
const SPREAD_MS = 4_000
const SPREAD_SHARE = 0.2

const NOTICE_OVER = 'Your session is over. Sign in again to go on.'
const NOTICE_ELSEWHERE = 'You signed out in another tab.'

export class Session {
  readonly state = ref<SessionState>('starting')
  readonly user = shallowRef<Account | null>(null)
  /** A sentence for the sign-in page: why one is there. */
  readonly notice = ref('')

  /** Whether the last sign-out was meant, in contrast to a session that ran out. */
  signedOutOnPurpose = false

  private access: AccessToken | null = null
  private renewing: Promise<string> | null = null
  private leaving: Promise<unknown> | null = null
  private timer: ReturnType<typeof setTimeout> | undefined
  private readonly tabs: Tabs
  private readonly renewedListeners = new Set<(token: string) => void>()
  private readonly signedOutListeners = new Set<(userId: number) => void>()

  constructor(tabs: Tabs = browserTabs()) {
    this.tabs = tabs
    tabs.listen((news) => {
      if (news.type === 'access') void this.adopt(news.access).catch(() => undefined)
      else this.leave(NOTICE_ELSEWHERE, true)
    })
  }

  /** Finds out, from the cookie, whether somebody is signed in. Never raises. */
  async start(): Promise<void> {
    this.state.value = 'starting'
    try {
      await this.renew()
      if (this.user.value === null) await this.identify()
      else this.state.value = 'in'
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.state.value = 'out'
      else this.state.value = 'unreachable'
    }
  }

  /** Settles as soon as it is known whether somebody is signed in. */
  async settled(): Promise<void> {
    const known = () => this.state.value === 'in' || this.state.value === 'out'
    if (known()) return
    await new Promise<void>((resolve) => {
      const stop = watch(this.state, () => {
        if (!known()) return
        stop()
        resolve()
      })
    })
  }

  /** Signs in; raises ApiError with the server's reasons. */
  async signIn(username: string, password: string): Promise<void> {
    const answer = await send({
      method: 'POST',
      path: '/auth/jwt/create/',
      body: { username, password, cookie: true },
    })
    const { access } = answer.body as { access: string }
    await this.adopt(access)
    this.tabs.tell({ type: 'access', access })
  }

  /** Signs up and, that done, in. */
  async signUp(username: string, password: string, email: string): Promise<void> {
    const body = email === '' ? { username, password } : { username, password, email }
    await send({ method: 'POST', path: '/auth/users/', body })
    await this.signIn(username, password)
  }

  /** Ends this session, or all sessions of this person. Raises ApiError when the server did not. */
  async signOut(everywhere = false): Promise<void> {
    // The server closes this session's sockets before its answer is here: see `token`.
    this.leaving = this.request('POST', '/auth/logout/', everywhere ? { everywhere: true } : {})
    try {
      await this.leaving
    } finally {
      this.leaving = null
    }
    this.tabs.tell({ type: 'signed-out' })
    this.leave('', true)
  }

  /** Makes a call as the one who is signed in; renews the access token where that is needed. */
  async request<T>(
    method: Call['method'],
    path: string,
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<T> {
    const call: Call = { method, path, body, ...(signal ? { signal } : {}) }
    const caller = this.user.value?.id
    const token = await this.token()
    this.expect(caller)
    try {
      return (await send({ ...call, token })).body as T
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 401) throw error
    }
    const renewed = await this.renew(token)
    this.expect(caller)
    try {
      return (await send({ ...call, token: renewed })).body as T
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.leave(NOTICE_OVER, false)
      throw error
    }
  }

  /** An access token that is good now. `refused`: one that the server no longer took. */
  async token(refused?: string): Promise<string> {
    // Whether there will be a session is known in a moment.
    await this.leaving?.catch(() => undefined)
    const { access } = this
    if (access && access.value !== refused && access.usable(Date.now())) return access.value
    if (this.state.value === 'out') throw signedOutError()
    return await this.renew(refused)
  }

  /** Calls `listener` with every new access token, until the returned function is called. */
  onRenewed(listener: (token: string) => void): () => void {
    this.renewedListeners.add(listener)
    return () => this.renewedListeners.delete(listener)
  }

  /** Calls `listener` when this person signed out on purpose (not when the session ran out). */
  onSignedOut(listener: (userId: number) => void): () => void {
    this.signedOutListeners.add(listener)
    return () => this.signedOutListeners.delete(listener)
  }

  /** Renews the access token by the cookie: once at a time, over all tabs. */
  private renew(refused?: string): Promise<string> {
    const held = refused ?? this.access?.value
    this.renewing ??= this.tabs
      .alone('chatire.refresh', () => this.renewNow(held))
      .finally(() => {
        this.renewing = null
      })
    return this.renewing
  }

  private async renewNow(held: string | undefined): Promise<string> {
    const { access } = this
    // Another tab has renewed it while this one waited for its turn.
    if (access && access.value !== held && access.usable(Date.now())) return access.value
    try {
      const answer = await send({ method: 'POST', path: '/auth/jwt/refresh/' })
      if (answer.status === 204) throw signedOutError()
      const renewed = (answer.body as { access: string }).access
      await this.adopt(renewed)
      this.tabs.tell({ type: 'access', access: renewed })
      return renewed
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        this.leave(this.state.value === 'in' ? NOTICE_OVER : '', false)
      }
      throw error
    }
  }

  private async adopt(access: string): Promise<void> {
    const token = new AccessToken(access, Date.now())
    this.access = token
    const delay = token.renewIn(Date.now())
    this.schedule(delay - Math.random() * Math.min(SPREAD_MS, delay * SPREAD_SHARE))
    if (this.user.value !== null && String(this.user.value.id) !== token.userId) {
      // Somebody else has signed in. Whatever is open belongs to the one before, and is to go first.
      this.user.value = null
      this.state.value = 'starting'
    }
    try {
      if (this.user.value === null) await this.identify()
    } catch (error) {
      if (this.state.value === 'starting') this.state.value = 'unreachable'
      throw error
    }
    for (const listener of this.renewedListeners) listener(access)
  }

  /** Raises where the one who wanted to call is not the one whose token it would be now. */
  private expect(caller: number | undefined): void {
    if (this.user.value?.id !== caller) throw signedOutError()
  }

  private async identify(): Promise<void> {
    const access = this.access
    if (!access) throw signedOutError()
    const call: Call = { method: 'GET', path: '/auth/users/me/', token: access.value }
    this.user.value = (await send(call)).body as Account
    this.notice.value = ''
    this.state.value = 'in'
  }

  private schedule(delay: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(() => {
      this.renew(this.access?.value).catch((error: unknown) => {
        if (error instanceof ApiError && error.passing && this.access) {
          this.schedule(RETRY_RENEWAL_MS)
        }
      })
    }, delay)
  }

  private leave(notice: string, onPurpose: boolean): void {
    clearTimeout(this.timer)
    const user = this.user.value
    // A second call that is refused for the same reason must not wipe the sentence away. Where another
    // tab signed out, the server may have said first that the session is over, and not why.
    const explains = onPurpose && this.notice.value === NOTICE_OVER
    if (this.state.value !== 'out' || explains) this.notice.value = notice
    this.signedOutOnPurpose = onPurpose
    this.access = null
    this.user.value = null
    this.state.value = 'out'
    if (user && onPurpose) for (const listener of this.signedOutListeners) listener(user.id)
  }
}
