import { describe, expect, test } from 'vitest'

import { MessageLog } from '@/chat/log'

import { message } from '../fakes/server'

function seqs(log: MessageLog): number[] {
  return log.messages.value.map(({ seq }) => seq)
}

function logOf(...held: number[]): MessageLog {
  const log = new MessageLog()
  log.load(
    held.map((seq) => message(seq)),
    false,
  )
  return log
}

describe('the message log', () => {
  test('shows a message that follows the last one', () => {
    const log = logOf(1, 2)
    const added = log.add([message(3)])
    expect(added.map(({ seq }) => seq)).toEqual([3])
    expect(seqs(log)).toEqual([1, 2, 3])
  })

  test('holds no message twice, however often it comes', () => {
    const log = logOf(1, 2)
    log.add([message(2), message(3), message(3)])
    expect(log.add([message(1), message(3)])).toEqual([])
    expect(seqs(log)).toEqual([1, 2, 3])
    expect(log.gap).toBe(false)
  })

  test('keeps a message ahead of a gap back until the gap is filled, then shows all in order', () => {
    const log = logOf(1)
    expect(log.add([message(4), message(3)])).toEqual([])
    expect(log.gap).toBe(true)
    expect(seqs(log)).toEqual([1])
    const added = log.add([message(2)])
    expect(added.map(({ seq }) => seq)).toEqual([2, 3, 4])
    expect(seqs(log)).toEqual([1, 2, 3, 4])
    expect(log.gap).toBe(false)
  })

  test('puts older pages in front and drops what overlaps', () => {
    const log = new MessageLog()
    log.load([message(5), message(6)], true)
    log.prepend([message(3), message(4), message(5)], true)
    expect(seqs(log)).toEqual([3, 4, 5, 6])
    expect(log.hasOlder.value).toBe(true)
    log.prepend([message(1), message(2)], false)
    expect(seqs(log)).toEqual([1, 2, 3, 4, 5, 6])
    expect(log.hasOlder.value).toBe(false)
  })

  test('begins with the first message of an empty chat', () => {
    const log = logOf()
    log.add([message(1)])
    expect(seqs(log)).toEqual([1])
  })

  test('after a reset keeps live messages aside until the newest page is there', () => {
    const log = logOf(1, 2, 3)
    log.clear()
    expect(log.add([message(12)])).toEqual([])
    expect(log.gap).toBe(false)
    expect(seqs(log)).toEqual([])
    log.load([message(10), message(11)], true)
    expect(seqs(log)).toEqual([10, 11, 12])
  })

  test('after a reset does not double what both the page and the socket brought', () => {
    const log = logOf(1)
    log.clear()
    log.add([message(11), message(12)])
    log.load([message(10), message(11)], true)
    expect(seqs(log)).toEqual([10, 11, 12])
  })
})
