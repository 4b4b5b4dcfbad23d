// A check of a rate limit that is not reached: every caller is limited by itself.

import { countCommands } from '../../test/support/redis-commands.ts'
import { OURS } from '../library.ts'
import { type Bound, most, ratio, share } from '../measure/targets.ts'
import { microseconds, perSecond } from '../measure/throughput.ts'
import { countStatements } from '../statements.ts'
import { type Suite, table, withEntrants } from '../suite.ts'

const CALLERS = 64
const COUNTED = 200

/** Why the targets are missed where they are, as profiles show it. */
const BECAUSE = {
  redis:
    'A check takes the server 5.2 µs of processor time, a counter 2.2 µs: it reads the clock, keeps a time instead of a count, and answers what is left and when to come back',
  postgres:
    'The rest is spent in this process, by a fair turn at the pool and by time limits for client and statement, and by a setting that does not wait for a disk (which none of these servers has)',
}

export const suite: Suite = {
  name: 'rate',
  async *run({ rounds, ms, redis, postgres }) {
    yield await withEntrants(
      '',
      ({ limiters }) => limiters?.memory,
      (entrants) =>
        table(
          {
            ...{ title: 'rate limit: check, memory', unit: 'µs', rounds, bounds: [] },
            measure: (check) => microseconds(ms, () => check('caller')),
          },
          entrants,
        ),
    )
    const stores = [
      {
        store: 'redis',
        url: await redis(),
        column: 'commands per check',
        count: async (work: () => Promise<unknown>) =>
          (await countCommands(await redis(), work)).length,
        ahead: [share(1, { of: OURS, because: BECAUSE.redis })],
      },
      {
        store: 'postgres',
        url: await postgres(),
        column: 'statements per check',
        count: countStatements,
        ahead: [] as Bound[],
      },
    ] as const
    for (const { store, url, column, count, ahead } of stores) {
      yield await withEntrants(
        url,
        ({ limiters }) => limiters?.[store],
        (entrants) =>
          table(
            {
              ...{
                title: `rate limit: check, ${store}, ${CALLERS} callers`,
                unit: 'ops/s',
                rounds,
              },
              bounds: [
                ratio(0.95, { of: OURS, because: BECAUSE[store] }),
                ...ahead,
                most(column, 1, { of: OURS }),
              ],
              measure: (check) => perSecond(CALLERS, ms, (caller) => check(`caller-${caller}`)),
              more: async (check) => {
                const seen = await count(async () => {
                  for (let done = 0; done < COUNTED; done++) await check('caller-0')
                })
                return { [column]: seen / COUNTED }
              },
            },
            entrants,
          ),
      )
    }
  },
}
