// A value that is cached: from memory, and from the store.

import { countCommands } from '../../test/support/redis-commands.ts'
import { OURS } from '../library.ts'
import { most, ratio } from '../measure/targets.ts'
import { microseconds, perSecond } from '../measure/throughput.ts'
import { type Suite, table, withEntrants } from '../suite.ts'

const CALLERS = 64
const COUNTED = 200

/** Why the targets are missed where they are, as profiles show it. */
const BECAUSE = {
  memory: 'A hit also asks whether it is stale or due to be refreshed, and counts itself',
  redis:
    'A hit is a script that reads an outcome by the clock of the server, or claims the load in the same step: 5.3 µs of its processor time and 10 µs of this process; clients of node-redis put the commands of a turn into one write, which the floor does not',
}

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
            bounds: [ratio(3, { of: OURS, because: BECAUSE.memory })],
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
            bounds: [
              ratio(0.9, { of: OURS, because: BECAUSE.redis }),
              most('commands per hit', 1, { of: OURS }),
            ],
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
