// Contends for one lock with several callers, and tells of every grant.

import { setTimeout as sleep } from 'node:timers/promises'
import { argument, hear, tell } from '../../test/support/parent.ts'
import { library, type Store } from '../library.ts'
import { pair } from '../measure/throughput.ts'
import { countStatements } from '../statements.ts'

const WARM_UP = 200

const terms = argument<{
  readonly library: string
  readonly store: Store
  readonly url: string
  readonly key: string
  readonly callers: number
  readonly hold: number
}>()
const { locks } = await library(terms.library)
const opened = await locks?.[terms.store]?.(terms.url)
if (!opened) throw new Error(`${terms.library} has no lock on ${terms.store}`)
const acquire = opened.use(terms.key)

/** On a clock that the processes of one machine share. */
const now = (): number => performance.timeOrigin + performance.now()

async function take(): Promise<{ granted: number; released: number }> {
  const release = await acquire()
  const granted = now()
  await sleep(terms.hold)
  const released = now()
  await release()
  return { granted, released }
}

// Connections are open, scripts loaded and tables made before anybody counts.
const warmUp = opened.use(`${terms.key}-${process.pid}`)
for (let pairs = 0; pairs < WARM_UP; pairs++) await pair(warmUp)

const callers = Array.from({ length: terms.callers }, (_none, caller) => caller)
tell('ready')
for (;;) {
  // Until a moment, everybody again and again, and whoever still waits then is left waiting; without one, everybody once.
  const { until } = await hear<{ type: string; until?: number }>('round')
  const holds: { caller: number; granted: number; released: number }[] = []
  const statements = await countStatements(async () => {
    const work = callers.map(async (caller) => {
      do holds.push({ caller, ...(await take()) })
      while (until !== undefined && now() < until)
    })
    tell('waiting')
    const all = Promise.all(work)
    await (until === undefined ? all : Promise.race([all, sleep(until - now())]))
  })
  tell('done', { holds, callers: callers.length, statements })
}
