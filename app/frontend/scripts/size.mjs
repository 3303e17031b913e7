/** Weighs the built page: how much JavaScript and CSS a first visit loads, gzipped. */

import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

/** The most a first load may weigh, in KB of 1000 bytes. */
const BUDGET = { js: 120, css: 40 }

const assets = fileURLToPath(new URL('../dist/assets/', import.meta.url))
let over = false

for (const [kind, budget] of Object.entries(BUDGET)) {
  const names = readdirSync(assets).filter((name) => name.endsWith(`.${kind}`))
  const sizes = names.map((name) => gzipSync(readFileSync(assets + name), { level: 6 }).length)
  const size = sizes.reduce((sum, one) => sum + one, 0) / 1000
  over ||= size > budget
  console.log(`${kind.padEnd(4)}${size.toFixed(1).padStart(6)} KB gzipped of at most ${budget} KB`)
}

if (over) {
  console.error('The page is heavier than its budget.')
  process.exit(1)
}
