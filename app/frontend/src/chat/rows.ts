/** What stands below each other in the list: days, the "new messages" line, and the messages. */

import type { Account, Message } from '@/contract'
import { dayKey, dayName } from '@/text/times'

import type { Entry } from './outbox'

export type Status = 'sending' | 'sent' | 'failed' | 'read'

export interface MessageRow {
  kind: 'message'
  key: string
  seq: number | null
  clientId: string | null
  author: string
  mine: boolean
  text: string
  time: string
  /** The first of several by the same person: shows who it is. */
  leads: boolean
  status: Status
  reason: string
}

export type Row =
  MessageRow | { kind: 'day'; key: string; name: string } | { kind: 'new'; key: string }

/** Messages by one person closer than this stand together under one name. */
const TOGETHER_MS = 5 * 60_000

export interface RowSource {
  /** Some moment of the reader's day. */
  today: Date
  messages: readonly Message[]
  /** Own messages that the history does not hold yet; empty while the newest are not shown. */
  unsent: readonly Entry[]
  me: Account
  /** The `seq` above which the "new messages" line stands; 0 for none. */
  newFrom: number
  /** How far the others have read: the least of what is known of each. */
  readUpTo: number
}

export function buildRows({ today, messages, unsent, me, newFrom, readUpTo }: RowSource): Row[] {
  const rows: Row[] = []
  let day = ''
  let previous: { author: string; time: number } | null = null

  function add(row: Omit<MessageRow, 'kind' | 'leads'>): void {
    const date = new Date(row.time)
    const itsDay = dayKey(date)
    if (itsDay !== day) {
      day = itsDay
      previous = null
      rows.push({ kind: 'day', key: `day-${itsDay}-${row.key}`, name: dayName(row.time, today) })
    }
    if (row.seq !== null && row.seq === newFrom) {
      previous = null
      rows.push({ kind: 'new', key: 'new' })
    }
    const time = date.getTime()
    const leads = previous?.author !== row.author || time - previous.time > TOGETHER_MS
    previous = { author: row.author, time }
    rows.push({ kind: 'message', leads, ...row })
  }

  for (const message of messages) {
    const mine = message.user.id === me.id
    add({
      key: keyOf(message, mine),
      seq: message.seq,
      clientId: message.client_id,
      author: message.user.username,
      mine,
      text: message.message,
      time: message.create_date,
      status: message.seq <= readUpTo ? 'read' : 'sent',
      reason: '',
    })
  }
  for (const entry of unsent) {
    add({
      key: `mine-${entry.clientId}`,
      seq: null,
      clientId: entry.clientId,
      author: me.username,
      mine: true,
      text: entry.text,
      time: entry.created,
      status: entry.state,
      reason: entry.reason,
    })
  }
  return rows
}

/**
 * An own message keeps its element when the history takes it over from the outbox. Others choose
 * their `client_id` themselves, so only `seq` tells their messages apart.
 */
function keyOf(message: Message, mine: boolean): string {
  return mine && message.client_id !== null
    ? `mine-${message.client_id}`
    : `seq-${String(message.seq)}`
}
