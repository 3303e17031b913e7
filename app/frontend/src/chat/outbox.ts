/**
 * Own messages that the history does not hold yet. Each keeps its `client_id` through reload,
 * offline and retry, so that it is the same message however often it is sent.
 */

import { shallowReactive } from 'vue'

import { newClientId } from './clientId'
import { keysUnder, readItem, removeItem, storageKey, writeItem } from './storage'

export type EntryState = 'sending' | 'sent' | 'failed'

export interface Entry {
  readonly clientId: string
  readonly text: string
  readonly created: string
  readonly state: EntryState
  /** Why it failed, as a sentence. */
  readonly reason: string
  /** Failed for good: the server refused it, and only the writer can send it again. */
  readonly refused: boolean
}

type Stored = Pick<Entry, 'clientId' | 'text' | 'created' | 'reason' | 'refused'>

export class Outbox {
  /** In the order of writing. */
  readonly entries: Entry[] = shallowReactive([])
  private readonly key: string

  constructor(userId: number, uri: string) {
    this.key = storageKey('unsent', userId, uri)
    const stored = keysUnder(this.key)
      .map((key) => parse(readItem(key)))
      .filter((entry) => entry !== null)
    stored.sort((one, other) => one.created.localeCompare(other.created))
    for (const entry of stored) {
      this.entries.push({ ...entry, state: entry.refused ? 'failed' : 'sending' })
    }
  }

  get(clientId: string): Entry | undefined {
    return this.entries.find((entry) => entry.clientId === clientId)
  }

  add(text: string): Entry {
    const entry: Entry = {
      clientId: newClientId(),
      text,
      created: this.nextTime(),
      state: 'sending',
      reason: '',
      refused: false,
    }
    this.entries.push(entry)
    this.store(entry)
    return entry
  }

  /** It is on its way (again). */
  sending(clientId: string): void {
    this.change(clientId, { state: 'sending', reason: '', refused: false })
  }

  /** It could not be sent: `refused` when trying again by itself is pointless. */
  failed(clientId: string, reason: string, refused: boolean): void {
    this.change(clientId, { state: 'failed', reason, refused })
  }

  /** The server has committed it; it stays here until the history shows it. */
  sent(clientId: string): void {
    this.change(clientId, { state: 'sent', reason: '', refused: false })
    removeItem(`${this.key}:${clientId}`)
  }

  /** The history holds it, or the writer gave it up. */
  remove(clientId: string): void {
    const index = this.entries.findIndex((entry) => entry.clientId === clientId)
    if (index >= 0) this.entries.splice(index, 1)
    removeItem(`${this.key}:${clientId}`)
  }

  /** Now, but later than the last one: storage keeps no order, the times must. */
  private nextTime(): string {
    const last = Date.parse(this.entries.at(-1)?.created ?? '') || 0
    return new Date(Math.max(Date.now(), last + 1)).toISOString()
  }

  private change(clientId: string, changes: Partial<Entry>): void {
    const index = this.entries.findIndex((entry) => entry.clientId === clientId)
    const entry = this.entries[index]
    if (!entry) return
    const changed = { ...entry, ...changes }
    this.entries[index] = changed
    if (changed.state !== 'sent') this.store(changed)
  }

  private store({ clientId, text, created, reason, refused }: Entry): void {
    const stored: Stored = { clientId, text, created, reason, refused }
    writeItem(`${this.key}:${clientId}`, JSON.stringify(stored))
  }
}

function parse(json: string | null): Stored | null {
  try {
    const stored = JSON.parse(json ?? 'null') as Partial<Stored> | null
    if (typeof stored?.clientId !== 'string' || typeof stored.text !== 'string') return null
    return {
      clientId: stored.clientId,
      text: stored.text,
      created: stored.created ?? '',
      reason: stored.reason ?? '',
      refused: stored.refused ?? false,
    }
  } catch {
    return null
  }
}
