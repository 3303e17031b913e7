import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { nextTick } from 'vue'

import { SESSION } from '@/context'
import { Session } from '@/session/session'
import AuthView from '@/views/AuthView.vue'

import { mount, press, type } from '../fakes/mount'
import type { Mounted } from '../fakes/mount'
import { FakeBrowser } from '../fakes/tabs'

let asked: { path: string; body: unknown }[]
let answer: () => Response

beforeEach(() => {
  localStorage.clear()
  asked = []
  answer = () => new Response('{}', { status: 500 })
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    asked.push({ path, body: JSON.parse(init.body as string) })
    return Promise.resolve(answer())
  })
})

afterEach(() => {
  vi.unstubAllGlobals()
})

function page(notice = ''): Promise<Mounted> {
  const session = new Session(new FakeBrowser().tab())
  session.notice.value = notice
  return mount(AuthView, {}, (app) => app.provide(SESSION, session))
}

function labels({ all }: Mounted): string[] {
  return all('label').map((label) => label.textContent)
}

async function submit(mounted: Mounted): Promise<void> {
  mounted.find('form').dispatchEvent(new Event('submit', { cancelable: true }))
  await nextTick()
  await vi.waitFor(
    () => {
      expect(mounted.find<HTMLButtonElement>('[type=submit]').disabled).toBe(false)
    },
    { timeout: 20_000 },
  )
  await nextTick()
}

describe('the page to sign up and in', () => {
  test('asks whoever was signed out to sign in, not to sign up', async () => {
    const { find } = await page('Your session is over.')
    expect(find('[aria-selected=true]').textContent.trim()).toBe('Sign In')
  })

  test('has two tabs, each with its own fields and button', async () => {
    const mounted = await page()
    expect(mounted.all('[role=tab]').map((tab) => tab.textContent.trim())).toEqual([
      'Sign Up',
      'Sign In',
    ])
    expect(labels(mounted)).toEqual(['Email Address', 'Username', 'Password'])
    mounted.button('Sign In').click()
    await nextTick()
    expect(labels(mounted)).toEqual(['Username', 'Password'])
    expect(mounted.find('[type=submit]').textContent).toBe('Sign in')
  })

  test('changes tabs with the arrow keys', async () => {
    const mounted = await page()
    await press(mounted.find('[aria-selected=true]'), 'ArrowRight')
    expect(mounted.find('[aria-selected=true]').textContent.trim()).toBe('Sign In')
    await press(mounted.find('[aria-selected=true]'), 'Home')
    expect(mounted.find('[aria-selected=true]').textContent.trim()).toBe('Sign Up')
  })

  test('shows the server\u2019s errors beside their fields', async () => {
    const mounted = await page()
    answer = () =>
      new Response(
        JSON.stringify({ username: ['Taken.'], password: ['Too short.', 'Too common.'] }),
        {
          status: 400,
        },
      )
    await type(mounted.find<HTMLInputElement>('[autocomplete=username]'), 'ann')
    await submit(mounted)
    const field = mounted.find('[autocomplete=username]')
    expect(field.getAttribute('aria-invalid')).toBe('true')
    const described = field.getAttribute('aria-describedby')?.split(' ') ?? []
    const texts = described.map((id) => document.getElementById(id)?.textContent ?? '')
    expect(texts.join('')).toContain('Taken.')
    expect(mounted.root.textContent).toContain('Too short.')
    expect(mounted.root.textContent).toContain('Too common.')
    expect(document.activeElement).toBe(field)
  })

  test('says in a sentence what else went wrong', async () => {
    const mounted = await page()
    mounted.find('[type=submit]').focus()
    await submit(mounted)
    expect(document.activeElement).toBe(mounted.find('[type=submit]'))
    expect(mounted.find('[role=alert]').textContent).toContain('The server is away')
  })

  test('keeps a mistyped password when the fields are corrected, and forgets the errors', async () => {
    const mounted = await page()
    await type(mounted.find<HTMLInputElement>('[type=password]'), 'secret')
    await submit(mounted)
    mounted.button('Sign In').click()
    await nextTick()
    expect(mounted.find('[role=alert]').textContent).toBe('')
    expect(mounted.find<HTMLInputElement>('[type=password]').value).toBe('secret')
  })

  test('sends no e-mail address where none was given', async () => {
    const mounted = await page()
    await type(mounted.find<HTMLInputElement>('[autocomplete=username]'), ' ann ')
    await type(mounted.find<HTMLInputElement>('[type=password]'), 'secret')
    await submit(mounted)
    expect(asked[0]).toEqual({
      path: '/auth/users/',
      body: { username: 'ann', password: 'secret' },
    })
  })
})
