// A queue of 64 that wait behind a holder: how long until each had the lock for a millisecond, once it is let go.

import { setTimeout as sleep } from 'node:timers/promises'
import { countCommands } from '../../test/support/redis-commands.ts'
import { FLOOR, library, OURS } from '../library.ts'
import type { Table } from '../measure/table.ts'
import { most, ratio } from '../measure/targets.ts'
import { type Bench, type Entrant, type Suite, table, withNames } from '../suite.ts'
import { type Workers, withWorkers } from '../workers.ts'

const WAITERS = 64
const HOLD = 1
const KEY = 'queued'
/** Until whoever began to wait has surely got in line; nobody tells when. */
const GETTING_IN_LINE = 300

/** verrou asks every 250 ms and needs 8 to 16 s: it would take most of the run. */
const TOO_SLOW = [FLOOR, 'verrou']

/** Milliseconds from the release to the last one's end. */
async function drain(name: string, url: string, workers: Workers): Promise<number> {
  const { locks } = await library(name)
  const opened = await locks?.redis?.(url)
  if (!opened) throw new Error(`${name} has no lock on Redis`)
  try {
    const release = await opened.use(KEY)()
    workers.send('round')
    await workers.hear('waiting')
    await sleep(GETTING_IN_LINE)
    const started = performance.now()
    await release()
    await workers.hear('done')
    return performance.now() - started
  } finally {
    await opened.close()
  }
}

function drained(processes: number, url: string, { rounds }: Bench): Promise<Table> {
  const title = `lock: a queue of ${WAITERS} in ${processes} process${processes > 1 ? 'es' : ''} drains, redis`
  const order = { store: 'redis', key: KEY, url, hold: HOLD, callers: WAITERS / processes }
  return withNames(
    ({ name, locks }) => locks?.redis !== undefined && !TOO_SLOW.includes(name),
    (name, run) => withWorkers('contend.ts', processes, { ...order, library: name }, run),
    (entrants: readonly Entrant<Workers>[]) =>
      table(
        {
          ...{ title, unit: 'ms', rounds, base: 'a release that publishes' },
          bounds: [ratio(1.5, { of: OURS }), most('commands per acquisition', 4, { of: OURS })],
          measure: (workers, name) => drain(name, url, workers),
          more: async (workers, name) => {
            const commands = await countCommands(url, () => drain(name, url, workers))
            return { 'commands per acquisition': commands.length / (WAITERS + 1) }
          },
        },
        entrants,
      ),
  )
}

export const suite: Suite = {
  name: 'lock-drain',
  async *run(bench) {
    for (const processes of [1, 4]) yield await drained(processes, await bench.redis(), bench)
  },
}
