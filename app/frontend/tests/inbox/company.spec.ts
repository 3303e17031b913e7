import { beforeEach, expect, test } from 'vitest'

import { forgetPerson } from '@/chat/storage'
import type { ChatSummary } from '@/contract'
import { companyOf, rememberCompany } from '@/inbox/company'

import { ANN, BOB, message, user } from '../fakes/server'

const CAT = user(3, 'cat')
const DAN = user(4, 'dan')

function chat(changes: Partial<ChatSummary> = {}): ChatSummary {
  const last = message(1, BOB)
  return {
    uri: 'room',
    owner: ANN,
    last_message: last,
    last_seq: 1,
    unread: 0,
    update_date: last.create_date,
    ...changes,
  }
}

beforeEach(() => {
  localStorage.clear()
})

test('of a chat that was never open here, its owner and its last author are known', () => {
  expect(companyOf(ANN.id, chat())).toEqual({ names: ['bob'], total: 1 })
  expect(companyOf(BOB.id, chat())).toEqual({ names: ['ann'], total: 1 })
  expect(companyOf(CAT.id, chat())).toEqual({ names: ['ann', 'bob'], total: 2 })
  expect(companyOf(BOB.id, chat({ owner: BOB, last_message: null })).total).toBe(0)
  expect(companyOf(CAT.id, chat({ owner: BOB })).names).toEqual(['bob'])
})

test('the members are remembered from when the chat was open, but oneself', () => {
  rememberCompany(ANN.id, 'room', [ANN, BOB, CAT, DAN, user(5, 'eve')])
  const own = chat({ last_message: message(2, ANN) })
  expect(companyOf(ANN.id, own)).toEqual({ names: ['bob', 'cat', 'dan'], total: 4 })
  expect(companyOf(BOB.id, own).names).toEqual(['ann'])
})

test('a chat in which one was alone is known by who wrote there since', () => {
  rememberCompany(ANN.id, 'room', [ANN])
  expect(companyOf(ANN.id, chat()).names).toEqual(['bob'])
})

test('signing out forgets whom one talked to', () => {
  rememberCompany(ANN.id, 'room', [ANN, BOB])
  forgetPerson(ANN.id)
  expect(localStorage).toHaveLength(0)
})

test.each(['{', '{"names":"x","total":1}', '{"names":["x"]}', 'null'])(
  'what storage holds instead of it (%s) does no harm',
  (stored) => {
    rememberCompany(ANN.id, 'room', [ANN, CAT])
    const [key] = Object.keys(localStorage)
    localStorage.setItem(key ?? '', stored)
    expect(companyOf(ANN.id, chat()).names).toEqual(['bob'])
  },
)
