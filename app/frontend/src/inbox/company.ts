/**
 * Whom one talks to in a chat. The list of chats names a chat's owner and its last author only, so
 * the members are remembered from when the chat was last open here.
 */

import { readItem, storageKey, writeItem } from '@/chat/storage'
import type { ChatSummary, User } from '@/contract'
import { MOST_NAMES } from '@/text/names'

/** The members but oneself: how many, and the names of the first. */
export interface Company {
  names: string[]
  total: number
}

export function rememberCompany(me: number, uri: string, members: readonly User[]): void {
  const names = members.filter(({ id }) => id !== me).map(({ username }) => username)
  const company: Company = { names: names.slice(0, MOST_NAMES), total: names.length }
  writeItem(storageKey('company', me, uri), JSON.stringify(company))
}

/** What is known of a chat's members: as remembered, else as far as the list of chats tells. */
export function companyOf(me: number, chat: ChatSummary): Company {
  const remembered = parse(readItem(storageKey('company', me, chat.uri)))
  if (remembered && remembered.total > 0) return remembered
  const told = [chat.owner, chat.last_message?.user ?? null]
  const others = told.filter((user) => user !== null).filter(({ id }) => id !== me)
  const names = [...new Set(others.map(({ username }) => username))]
  return { names, total: names.length }
}

function parse(json: string | null): Company | null {
  try {
    const stored = JSON.parse(json ?? 'null') as Partial<Company> | null
    const { names, total } = stored ?? {}
    if (!Array.isArray(names) || typeof total !== 'number') return null
    return { names: names.filter((name) => typeof name === 'string'), total }
  } catch {
    return null
  }
}
