/** An access token as this page holds it: in memory, with the time it still has. */

/** A token with less than this left is renewed before it is used: it could run out on the way. */
const LAST_MOMENT_MS = 5_000

/** Renewal starts when this share of the lifetime is left, but never earlier than RENEW_EARLY_MS. */
const RENEW_SHARE = 0.25
const RENEW_EARLY_MS = 90_000

export class AccessToken {
  readonly value: string
  readonly userId: string
  private readonly endsAt: number
  private readonly lifetime: number

  /**
   * `receivedAt` is this machine's clock: only the difference of the token's own times is used, so
   * a wrong clock does no harm.
   */
  constructor(value: string, receivedAt: number) {
    const claims = readClaims(value)
    this.value = value
    this.userId = String(claims.user_id ?? '')
    this.lifetime = Math.max(0, (claims.exp - claims.iat) * 1000)
    this.endsAt = receivedAt + this.lifetime
  }

  /** Whether the token can still be sent. */
  usable(now: number): boolean {
    return this.endsAt - now > Math.min(LAST_MOMENT_MS, this.lifetime / 4)
  }

  /** Milliseconds from `now` until it should be renewed. */
  renewIn(now: number): number {
    return Math.max(0, this.endsAt - Math.min(RENEW_EARLY_MS, this.lifetime * RENEW_SHARE) - now)
  }
}

interface Claims {
  exp: number
  iat: number
  user_id?: string | number
}

function readClaims(value: string): Claims {
  const part = value.split('.')[1] ?? ''
  const json = atob(part.replaceAll('-', '+').replaceAll('_', '/'))
  return JSON.parse(json) as Claims
}
