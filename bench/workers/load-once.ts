// Asks a cache for one missing key many times at once, and tells how often that loaded.

import { setTimeout as sleep } from 'node:timers/promises'
import { argument, hear, tell } from '../../test/support/parent.ts'
import { library } from '../library.ts'

const terms = argument<{
  readonly library: string
  readonly url: string
  readonly gets: number
  readonly load: number
}>()
const { stampedes } = await library(terms.library)
const opened = await stampedes?.redis?.(terms.url)
if (!opened) throw new Error(`${terms.library} has no cache on Redis`)

let loads = 0
const load = async (): Promise<string> => {
  loads++
  await sleep(terms.load)
  return 'value'
}
// The connections are open before anybody counts.
await opened.use(`warm-up-${process.pid}`, async () => 'value')
tell('ready')
for (;;) {
  const { key } = await hear<{ type: string; key: string }>('round')
  loads = 0
  await Promise.all(Array.from({ length: terms.gets }, () => opened.use(key, load)))
  tell('done', { loads })
}
