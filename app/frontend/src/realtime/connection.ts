/**
 * One WebSocket that comes back: it connects with the access token as a subprotocol, renews the
 * token on the open socket, and reconnects with jitter, at once when the network or the tab is back.
 * What the frames mean is not its business.
 */

import { ApiError } from '@/api/errors'
import { CloseCode } from '@/contract'
import type { ClientFrame } from '@/contract'

import { backoff } from './backoff'
import { browserWakeups } from './wakeups'
import type { Wakeups } from './wakeups'

export type Line = 'connecting' | 'open' | 'waiting' | 'closed'

/** What of the browser's WebSocket is used here. */
export interface Socket {
  onopen: ((event: Event) => void) | null
  onmessage: ((event: MessageEvent) => void) | null
  onclose: ((event: CloseEvent) => void) | null
  send(data: string): void
  close(code?: number): void
}

/** Who gives the access token: the session. */
export interface Credentials {
  token(refused?: string): Promise<string>
  onRenewed(listener: (token: string) => void): () => void
}

export interface ConnectionOptions {
  /** The path to connect to; asked anew at every try. */
  path: () => string
  credentials: Credentials
  onOpen?: () => void
  onFrame: (frame: unknown) => void
  /** `code`: why the server closed the socket, where it did. */
  onLine?: (line: Line, code: number | null) => void
  /** The server closed for good: with 4403 or 4404. */
  onRefused?: (code: number) => void
  connect?: (url: string, protocols: string[]) => Socket
  wakeups?: Wakeups
  random?: () => number
}

/** A handshake that takes longer than this is given up: nginx would have answered. */
const CONNECT_DEADLINE_MS = 10_000

/** A connection that lived this long was a good one. */
const STABLE_MS = 5_000

const FINAL_CODES: readonly number[] = [CloseCode.notMember, CloseCode.noSuchChat]

export class Connection {
  private readonly options: ConnectionOptions
  private socket: Socket | null = null
  private line: Line = 'closed'
  private attempt = 0
  private openedAt = 0
  /** Grows with every start, restart and stop: what an older one awaited is then void. */
  private generation = 0
  private tokenUsed: string | undefined
  private tokenRefused: string | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private stops: (() => void)[] = []

  constructor(options: ConnectionOptions) {
    this.options = options
  }

  start(): void {
    const wakeups = this.options.wakeups ?? browserWakeups
    this.stops = [
      wakeups.onWake(() => {
        if (this.line === 'waiting') this.connectNow()
      }),
      wakeups.onOffline(() => {
        this.restart()
      }),
      this.options.credentials.onRenewed((token) => {
        if (this.line === 'open') this.send({ type: 'auth', token })
      }),
    ]
    this.connectNow()
  }

  stop(): void {
    for (const stop of this.stops) stop()
    this.stops = []
    this.drop()
    this.setLine('closed')
  }

  /** Sends a frame; false when the connection is not open. */
  send(frame: ClientFrame): boolean {
    if (this.line !== 'open' || !this.socket) return false
    this.socket.send(JSON.stringify(frame))
    return true
  }

  /** Gives up the present socket, which seems dead, and makes a new one. */
  restart(): void {
    if (this.line === 'closed') return
    this.judge()
    this.drop()
    this.wait()
  }

  /** Tries at once if it is waiting for its next try. */
  retryNow(): void {
    if (this.line === 'waiting') this.connectNow()
  }

  private connectNow(): void {
    this.drop()
    const generation = this.generation
    this.setLine('connecting')
    this.options.credentials.token(this.tokenRefused).then(
      (token) => {
        if (generation === this.generation) this.openSocket(token)
      },
      (error: unknown) => {
        if (generation !== this.generation) return
        if (error instanceof ApiError && error.status === 401) this.stop()
        else this.wait()
      },
    )
  }

  private openSocket(token: string): void {
    const generation = this.generation
    const url = new URL(this.options.path(), location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    const connect = this.options.connect ?? ((to, protocols) => new WebSocket(to, protocols))
    const socket = connect(url.href, ['chatire', `jwt.${token}`])
    this.socket = socket
    this.tokenUsed = token
    this.timer = setTimeout(() => {
      this.restart()
    }, CONNECT_DEADLINE_MS)
    socket.onopen = () => {
      clearTimeout(this.timer)
      this.openedAt = Date.now()
      this.setLine('open')
      if (generation === this.generation) this.options.onOpen?.()
    }
    socket.onmessage = (event: MessageEvent<string>) => {
      this.options.onFrame(JSON.parse(event.data))
    }
    socket.onclose = (event) => {
      this.closed(event.code)
    }
  }

  private closed(code: number): void {
    this.judge()
    this.drop()
    if (FINAL_CODES.includes(code)) {
      this.stop()
      this.options.onRefused?.(code)
      return
    }
    if (code === CloseCode.unauthenticated) this.tokenRefused = this.tokenUsed
    this.wait(code)
  }

  /** After a good connection, whoever ended it, the next wait starts small. */
  private judge(): void {
    if (this.line === 'open' && Date.now() - this.openedAt >= STABLE_MS) this.attempt = 0
  }

  private wait(code: number | null = null): void {
    const delay = backoff(this.attempt, this.options.random)
    this.attempt += 1
    this.timer = setTimeout(() => {
      this.connectNow()
    }, delay)
    this.setLine('waiting', code)
  }

  /** Lets go of the socket and of everything that was awaited for it. */
  private drop(): void {
    this.generation += 1
    clearTimeout(this.timer)
    const { socket } = this
    this.socket = null
    if (!socket) return
    socket.onopen = null
    socket.onmessage = null
    socket.onclose = null
    socket.close()
  }

  private setLine(line: Line, code: number | null = null): void {
    if (line === this.line) return
    this.line = line
    this.options.onLine?.(line, code)
  }
}
