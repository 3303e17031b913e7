/** What the components find in the application: the session, the calls and the list of chats. */

import { inject } from 'vue'
import type { InjectionKey } from 'vue'

import type { ChatCalls } from './api/chats'
import type { Room } from './chat/room'
import type { Account } from './contract'
import type { Inbox } from './inbox/inbox'
import type { Session } from './session/session'

export const SESSION: InjectionKey<Session> = Symbol('session')
export const PERSON: InjectionKey<Person> = Symbol('person')

/** What exists while somebody is signed in. */
export interface Person {
  me: Account
  calls: ChatCalls
  inbox: Inbox
  /** Those that are to be abandoned when this person goes. */
  rooms: Set<Room>
}

export function useSession(): Session {
  const session = inject(SESSION)
  if (!session) throw new Error('No session: provide SESSION at the application.')
  return session
}

export function usePerson(): Person {
  const person = inject(PERSON)
  if (!person) throw new Error('Nobody is signed in: this component belongs inside SignedIn.')
  return person
}
