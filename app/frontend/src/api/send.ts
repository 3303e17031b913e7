/** One HTTP call to the server: JSON in, JSON out, errors as ApiError. */

import { ApiError, readError } from './errors'

/** Longer than nginx waits for the server (so its 504 is seen), shorter than people wait. */
const DEADLINE_MS = 20_000

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  path: string
  body?: unknown
  /** The access token, for calls that need one. */
  token?: string
  signal?: AbortSignal
}

export interface Answer {
  status: number
  body: unknown
}

/**
 * Makes the call. Raises ApiError for every answer that is not a success, and with status 0 when
 * there was none.
 */
export async function send(call: Call): Promise<Answer> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  const init: RequestInit = { method: call.method, headers, credentials: 'same-origin' }
  if (call.token !== undefined) headers.Authorization = `JWT ${call.token}`
  if (call.body !== undefined) {
    headers['Content-Type'] = 'application/json'
    init.body = JSON.stringify(call.body)
  }
  const deadline = new AbortController()
  const abort = () => {
    deadline.abort()
  }
  const timer = setTimeout(abort, DEADLINE_MS)
  if (call.signal?.aborted) abort()
  call.signal?.addEventListener('abort', abort)
  init.signal = deadline.signal
  try {
    const response = await fetch(call.path, init)
    const text = await response.text()
    const body = parse(text)
    if (response.ok) return { status: response.status, body }
    throw readError(response.status, body, response.headers.get('Retry-After'))
  } catch (error) {
    if (error instanceof ApiError) throw error
    throw new ApiError(0, 'No answer from the server.')
  } finally {
    clearTimeout(timer)
    call.signal?.removeEventListener('abort', abort)
  }
}

function parse(text: string): unknown {
  if (text === '') return null
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}
