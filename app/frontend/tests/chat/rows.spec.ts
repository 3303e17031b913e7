import { describe, expect, test } from 'vitest'

import { buildRows } from '@/chat/rows'
import type { MessageRow, RowSource } from '@/chat/rows'

import { ANN, BOB, ME, message } from '../fakes/server'

function rows(changes: Partial<RowSource>): ReturnType<typeof buildRows> {
  const nothing = { messages: [], unsent: [], me: ME, newFrom: 0, readUpTo: 0 }
  return buildRows({ today: new Date(Date.UTC(2026, 0, 5, 13)), ...nothing, ...changes })
}

function messageRows(changes: Partial<RowSource>): MessageRow[] {
  return rows(changes).filter((row) => row.kind === 'message')
}

describe('the rows of the list', () => {
  test('have keys of their own, even where two people chose the same client_id', () => {
    const client_id = '5d3c2a44-0000-4000-8000-000000000000'
    const keys = rows({
      messages: [
        message(1, BOB, { client_id }),
        message(2, ANN, { client_id }),
        message(3, BOB, { client_id }),
      ],
    }).map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
  })

  test('name somebody once for messages that follow each other closely', () => {
    const later = { create_date: new Date(Date.UTC(2026, 0, 5, 12, 30)).toISOString() }
    const leads = messageRows({
      messages: [message(1), message(2), message(3, ANN), message(4), message(5, BOB, later)],
    }).map((row) => row.leads)
    expect(leads).toEqual([true, false, true, true, true])
  })

  test('name them again below the line of new messages', () => {
    const found = rows({ messages: [message(1), message(2)], newFrom: 2 })
    expect(found.map(({ kind }) => kind)).toEqual(['day', 'message', 'new', 'message'])
    expect(found.at(-1)).toMatchObject({ leads: true })
  })

  test('say of each own message whether all others have read it', () => {
    const messages = [message(1, ANN), message(2, ANN), message(3, ANN)]
    expect(messageRows({ messages, readUpTo: 2 }).map(({ status }) => status)).toEqual([
      'read',
      'read',
      'sent',
    ])
  })
})
