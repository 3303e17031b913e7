/** What went wrong with a call, and the sentence that says so to a person. */

export type FieldErrors = Record<string, string[]>

export class ApiError extends Error {
  /** The HTTP status; 0 when no answer came. */
  readonly status: number
  /** The server's machine-readable word for it, or ''. */
  readonly code: string
  /** The server's messages about single fields of a form. */
  readonly fields: FieldErrors
  /** Seconds the server asks one to wait, or null. */
  readonly retryAfter: number | null

  constructor(
    status: number,
    detail: string,
    extra: { code?: string; fields?: FieldErrors; retryAfter?: number | null } = {},
  ) {
    super(detail)
    this.name = 'ApiError'
    this.status = status
    this.code = extra.code ?? ''
    this.fields = extra.fields ?? {}
    this.retryAfter = extra.retryAfter ?? null
  }

  /** Whether the same call may well succeed later: no answer, a server away, or too fast. */
  get passing(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

/** The error that stands for "nobody is signed in here". */
export function signedOutError(): ApiError {
  return new ApiError(401, 'You are signed out.', { code: 'signed_out' })
}

/** One sentence about an error, fit to be shown. */
export function sentence(error: unknown): string {
  if (!(error instanceof ApiError)) return 'Something went wrong in this page. Please reload it.'
  if (error.status === 0) return 'The server cannot be reached. Check your connection.'
  if (error.status === 429) {
    const wait = error.retryAfter ?? 0
    return wait > 1
      ? `That was too fast. Please try again in ${String(Math.ceil(wait))} seconds.`
      : 'That was too fast. Please try again in a moment.'
  }
  if (error.status >= 500) return 'The server is away for a moment. Please try again.'
  const first = Object.values(error.fields)[0]?.[0]
  return first ?? (error.message || 'The server refused this.')
}

function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.filter((item) => typeof item === 'string')
  return []
}

/** Reads an error answer: `{detail, code}` or Django REST framework's errors by field. */
export function readError(status: number, body: unknown, retryAfter: string | null): ApiError {
  const record = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const fields: FieldErrors = {}
  for (const [name, value] of Object.entries(record)) {
    if (name === 'detail' || name === 'code') continue
    const messages = texts(value)
    if (messages.length > 0) fields[name] = messages
  }
  const seconds = Number(retryAfter)
  return new ApiError(status, typeof record.detail === 'string' ? record.detail : '', {
    code: typeof record.code === 'string' ? record.code : '',
    fields,
    retryAfter: retryAfter !== null && Number.isFinite(seconds) ? seconds : null,
  })
}
