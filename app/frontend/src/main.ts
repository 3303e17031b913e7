import { createApp, nextTick } from 'vue'

import App from './App.vue'
import { unlockSound } from './attention/sound'
import { forgetPerson } from './chat/storage'
import { SESSION } from './context'
import { makeRouter } from './router'
import { Session } from './session/session'
import './styles/index.css'

const session = new Session()
// Once the chat's page is gone: what is still under way there would be kept again.
session.onSignedOut((userId) => {
  void nextTick(() => {
    forgetPerson(userId)
  })
})
void session.start()

createApp(App).provide(SESSION, session).use(makeRouter(session)).mount('#app')

for (const gesture of ['pointerdown', 'keydown']) {
  window.addEventListener(gesture, unlockSound, { capture: true, once: true })
}
