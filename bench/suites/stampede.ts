// 1,000 gets of one missing key in 4 processes, with a load that takes 50 ms.

import { OURS } from '../library.ts'
import { spread } from '../measure/statistics.ts'
import { most } from '../measure/targets.ts'
import { type Entrant, type Suite, table, withNames } from '../suite.ts'
import { type Workers, withWorkers } from '../workers.ts'

const GETS = 1_000
const PROCESSES = 4
const LOAD = 50

export const suite: Suite = {
  name: 'stampede',
  needs: 'stampedes',
  async *run({ rounds, redis }) {
    const url = await redis()
    const loads = new Map<string, number[]>()
    let keys = 0
    yield await withNames(
      ({ stampedes }) => stampedes?.redis !== undefined,
      (name, run) => {
        const order = { library: name, url, gets: GETS / PROCESSES, load: LOAD }
        return withWorkers('load-once.ts', PROCESSES, order, run)
      },
      (entrants: readonly Entrant<Workers>[]) =>
        table(
          {
            title: `cache: ${GETS} gets of a missing key in ${PROCESSES} processes, ${LOAD} ms to load`,
            ...{ unit: 'ms', rounds },
            bounds: [most('loads', 1, { of: OURS })],
            measure: async (workers, name) => {
              const started = performance.now()
              workers.send('round', { key: `stampede-${process.pid}-${++keys}` })
              const told = await workers.hear<{ loads: number }>('done')
              const sum = told.reduce((sum, each) => sum + each.loads, 0)
              loads.set(name, [...(loads.get(name) ?? []), sum])
              return performance.now() - started
            },
            more: async (_workers, name) => ({ loads: spread(loads.get(name) ?? []).max }),
          },
          entrants,
        ),
    )
  },
}
