// A value that is cached: from memory, and from the store.

import { countCommands } from '../../test/support/redis-commands.ts'
import { OURS } from '../library.ts'
import { most, ratio } from '../measure/targets.ts'
import { microseconds, perSecond } from '../measure/throughput.ts'
import { type Suite, table, withEntrants } from '../suite.ts'

const CALLERS = 64
const COUNTED = 200

const load = async (): Promise<string> => 'x'.repeat(100)

export const suite: Suite = {
  name: 'cache',
  needs: 'caches',
  async *run({ rounds, ms, redis }) {
    yield await withEntrants(
      '',
      ({ caches }) => caches?.memory,
      (entrants) =>
        table(
          {
            ...{ title: 'cache: a hit in memory', unit: 'µs', rounds },
            bounds: [ratio(3, { of: OURS })],
            measure: (get) => microseconds(ms, () => get('key', load)),
          },
          entrants,
        ),
    )
    const url = await redis()
    yield await withEntrants(
      url,
      ({ caches }) => caches?.redis,
      (entrants) =>
        table(
          {
            ...{ title: `cache: a hit in redis, ${CALLERS} callers`, unit: 'ops/s', rounds },
            bounds: [ratio(0.9, { of: OURS }), most('commands per hit', 1, { of: OURS })],
            measure: (get) => perSecond(CALLERS, ms, (caller) => get(`key-${caller}`, load)),
            more: async (get) => {
              const seen = await countCommands(url, async () => {
                for (let done = 0; done < COUNTED; done++) await get('key-0', load)
              })
              return { 'commands per hit': seen.length / COUNTED }
            },
          },
          entrants,
        ),
    )
  },
}
