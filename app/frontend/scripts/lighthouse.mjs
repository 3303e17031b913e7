/**
 * Has Lighthouse look at the page at CHATIRE_URL and fails below the goal. Lighthouse is fetched for
 * the occasion: it would be most of what is installed here, and nothing else needs it.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The last one that runs on Debian 13's Node. */
const LIGHTHOUSE = 'lighthouse@12.8.2'

/** What each category must reach, of 1. */
const GOAL = 0.95
const CATEGORIES = ['performance', 'accessibility', 'best-practices']

const url = process.env.CHATIRE_URL ?? 'http://localhost:8080'
const folder = mkdtempSync(join(tmpdir(), 'lighthouse-'))
const report = join(folder, 'report.json')
let low = false

try {
  const run = spawnSync(
    'npx',
    [
      '--yes',
      LIGHTHOUSE,
      `${url}/auth`,
      '--quiet',
      '--chrome-flags=--headless=new --no-sandbox --disable-dev-shm-usage',
      `--only-categories=${CATEGORIES.join(',')}`,
      '--output=json',
      `--output-path=${report}`,
    ],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, CHROME_PATH: process.env.CHATIRE_CHROMIUM ?? '/usr/bin/chromium' },
    },
  )
  if (run.status !== 0) {
    console.error('Lighthouse did not run to its end.')
    process.exitCode = 2
  } else {
    const { categories } = JSON.parse(readFileSync(report, 'utf8'))
    for (const name of CATEGORIES) {
      const { score } = categories[name]
      low ||= score < GOAL
      console.log(
        `${name.padEnd(15)}${String(Math.round(score * 100)).padStart(4)} of at least ${GOAL * 100}`,
      )
    }
    if (low) process.exitCode = 1
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
