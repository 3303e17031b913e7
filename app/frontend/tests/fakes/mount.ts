/** Puts a component into the page, and takes it out again after the test. */

import { createApp, h, nextTick } from 'vue'
import type { App, Component } from 'vue'
import { afterEach } from 'vitest'

const apps: App[] = []

afterEach(() => {
  for (const app of apps.splice(0)) app.unmount()
  document.body.innerHTML = ''
})

export interface Mounted {
  root: HTMLElement
  /** The first element for a selector; fails where there is none. */
  find: <T extends HTMLElement = HTMLElement>(selector: string) => T
  all: (selector: string) => HTMLElement[]
  /** The button with this text or label. */
  button: (name: string) => HTMLButtonElement
}

export async function mount(
  component: Component,
  props: Record<string, unknown> = {},
  setup: (app: App) => void = () => undefined,
): Promise<Mounted> {
  const root = document.createElement('div')
  document.body.append(root)
  const app = createApp({ render: () => h(component, props) })
  setup(app)
  apps.push(app)
  app.mount(root)
  await nextTick()

  function all(selector: string): HTMLElement[] {
    return [...root.querySelectorAll<HTMLElement>(selector)]
  }

  function find<T extends HTMLElement = HTMLElement>(selector: string): T {
    const found = root.querySelector<T>(selector)
    if (!found) throw new Error(`No ${selector} in ${root.innerHTML}`)
    return found
  }

  function button(name: string): HTMLButtonElement {
    const found = all('button').find(
      (one) => (one.getAttribute('aria-label') ?? one.textContent.trim()) === name,
    )
    if (!found) throw new Error(`No button "${name}" in ${root.innerHTML}`)
    return found as HTMLButtonElement
  }

  return { root, find, all, button }
}

/** Types into a field, as far as a component can see it. */
export async function type(
  field: HTMLInputElement | HTMLTextAreaElement,
  text: string,
): Promise<void> {
  field.value = text
  field.dispatchEvent(new Event('input', { bubbles: true }))
  await nextTick()
}

export async function press(
  target: HTMLElement,
  key: string,
  extra: KeyboardEventInit = {},
): Promise<KeyboardEvent> {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...extra })
  target.dispatchEvent(event)
  await nextTick()
  return event
}
