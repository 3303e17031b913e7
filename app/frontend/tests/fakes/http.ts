/** The calls about signing in, answered in memory, with the refresh cookie kept on this side. */

import { vi } from 'vitest'

interface Asked {
  method: string
  path: string
  body: unknown
  authorization: string | null
}

function base64(value: object): string {
  return btoa(JSON.stringify(value)).replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')
}

export class FakeAuthServer {
  readonly asked: Asked[] = []
  /** Whose cookie the browser holds; null for none. */
  cookieOf: number | null = null
  /** The access tokens that are good. */
  readonly good = new Set<string>()
  lifetime = 600
  up = true
  private issued = 0

  install(): void {
    vi.stubGlobal('fetch', (path: string, init: RequestInit) => this.answer(path, init))
  }

  /** Ends the session: no token of it is good any more. */
  endSession(): void {
    this.cookieOf = -1
    this.good.clear()
  }

  count(path: string): number {
    return this.asked.filter((call) => call.path === path).length
  }

  private issue(userId: number): string {
    this.issued += 1
    const iat = Math.floor(Date.now() / 1000)
    const claims = { user_id: String(userId), iat, exp: iat + this.lifetime, n: this.issued }
    const token = ['h', base64(claims), 's'].join('.')
    this.good.add(token)
    return token
  }

  private async answer(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    const authorization = headers.get('Authorization')
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : null
    this.asked.push({ method: init.method ?? 'GET', path, body, authorization })
    await new Promise((resolve) => setTimeout(resolve, 10))
    if (!this.up) throw new TypeError('Failed to fetch')
    return this.respond(path, body, authorization)
  }

  private respond(path: string, body: unknown, authorization: string | null): Response {
    switch (path) {
      case '/auth/jwt/create/': {
        const { username, password } = body as { username: string; password: string }
        if (password !== 'right') return json(401, { detail: 'No such account.' })
        this.cookieOf = username === 'ann' ? 1 : 2
        return json(200, { access: this.issue(this.cookieOf) })
      }
      case '/auth/jwt/refresh/':
        if (this.cookieOf === null) return new Response(null, { status: 204 })
        if (this.cookieOf < 0) return json(401, { detail: 'The session is over.' })
        return json(200, { access: this.issue(this.cookieOf) })
      case '/auth/logout/':
        this.endSession()
        this.cookieOf = null
        return new Response(null, { status: 204 })
      default: {
        const token = authorization?.replace('JWT ', '') ?? ''
        if (!this.good.has(token)) return json(401, { detail: 'Not signed in.' })
        const id = this.cookieOf ?? 0
        return json(200, { id, username: id === 1 ? 'ann' : 'bob', email: '' })
      }
    }
  }
}

function json(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status })
}
