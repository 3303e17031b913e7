/** The pages and who may see them. */

import { createRouter, createWebHistory } from 'vue-router'
import type { RouteLocationRaw, Router, RouterHistory } from 'vue-router'

import type { Session } from './session/session'
import AuthView from './views/AuthView.vue'
import ChatView from './views/ChatView.vue'
import HomeView from './views/HomeView.vue'
import MissingView from './views/MissingView.vue'

/** Where to go after signing in: the link one came by, if it is one of this page's. */
export function returnTo(next: unknown): string {
  const path = typeof next === 'string' ? next : ''
  return path.startsWith('/') && !/^\/[/\\]/.test(path) && !path.startsWith('/auth') ? path : '/'
}

/** The sign-in page that returns to `path`. */
export function signInRoute(path: string): RouteLocationRaw {
  return path === '/' ? { name: 'auth' } : { name: 'auth', query: { next: path } }
}

export function makeRouter(session: Session, history: RouterHistory = createWebHistory()): Router {
  const router = createRouter({
    history,
    routes: [
      { path: '/auth', name: 'auth', component: AuthView },
      { path: '/', alias: ['/chats', '/chats/'], name: 'home', component: HomeView },
      { path: '/chats/:uri', name: 'chat', component: ChatView, props: true },
      { path: '/:path(.*)*', name: 'missing', component: MissingView },
    ],
  })
  router.beforeEach(async (to) => {
    await session.settled()
    const signedIn = session.state.value === 'in'
    if (to.name === 'auth') return signedIn ? returnTo(to.query.next) : true
    return signedIn ? true : signInRoute(to.fullPath)
  })
  return router
}
