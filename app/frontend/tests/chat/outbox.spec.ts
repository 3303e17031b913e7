import { beforeEach, describe, expect, test } from 'vitest'

import { Outbox } from '@/chat/outbox'
import { forgetPerson } from '@/chat/storage'

beforeEach(() => {
  localStorage.clear()
})

describe('the outbox', () => {
  test('keeps an unsent message and its client_id over a reload', () => {
    const { clientId } = new Outbox(1, 'room').add('hello')
    const [entry] = new Outbox(1, 'room').entries
    expect(entry).toMatchObject({ clientId, text: 'hello', state: 'sending' })
  })

  test('keeps the order of writing over a reload', () => {
    const outbox = new Outbox(1, 'room')
    const texts = ['one', 'two', 'three', 'four', 'five']
    for (const text of texts) outbox.add(text)
    expect(new Outbox(1, 'room').entries.map((entry) => entry.text)).toEqual(texts)
  })

  test('forgets what the server has committed, but shows it until the history does', () => {
    const outbox = new Outbox(1, 'room')
    const { clientId } = outbox.add('hello')
    outbox.sent(clientId)
    expect(outbox.entries).toHaveLength(1)
    expect(new Outbox(1, 'room').entries).toHaveLength(0)
    outbox.remove(clientId)
    expect(outbox.entries).toHaveLength(0)
  })

  test('brings a refused message back as refused, with its reason', () => {
    const outbox = new Outbox(1, 'room')
    outbox.failed(outbox.add('too long').clientId, 'It is too long.', true)
    const [entry] = new Outbox(1, 'room').entries
    expect(entry).toMatchObject({ state: 'failed', reason: 'It is too long.', refused: true })
  })

  test('belongs to one person and one chat', () => {
    new Outbox(1, 'room').add('hello')
    expect(new Outbox(1, 'other').entries).toHaveLength(0)
    expect(new Outbox(2, 'room').entries).toHaveLength(0)
    expect(new Outbox(11, 'room').entries).toHaveLength(0)
  })

  test('two tabs that write to the same chat do not lose each other\u2019s messages', () => {
    const one = new Outbox(1, 'room')
    const other = new Outbox(1, 'room')
    one.add('from one')
    const theirs = other.add('from the other')
    other.sent(theirs.clientId)
    expect(new Outbox(1, 'room').entries.map((entry) => entry.text)).toEqual(['from one'])
  })

  test('is wiped for the person who signs out, and for nobody else', () => {
    new Outbox(1, 'room').add('mine')
    new Outbox(12, 'room').add('theirs')
    forgetPerson(1)
    expect(new Outbox(1, 'room').entries).toHaveLength(0)
    expect(new Outbox(12, 'room').entries).toHaveLength(1)
  })

  test('ignores what it cannot read in storage', () => {
    localStorage.setItem('chatire:unsent:1:room:x', '{"broken"')
    localStorage.setItem('chatire:unsent:1:room:y', '{"text":5}')
    expect(new Outbox(1, 'room').entries).toEqual([])
  })
})
