// A permit of a semaphore with the limit 8, taken and given back while some are free.

import { countCommands } from '../../test/support/redis-commands.ts'
import { OURS } from '../library.ts'
import { most, ratio } from '../measure/targets.ts'
import { pair, perSecond } from '../measure/throughput.ts'
import { type Suite, table, withEntrants } from '../suite.ts'

const LIMIT = 8
const COUNTED = 200
const BECAUSE =
  'A pair takes the server 10 µs of processor time, the floor 2 µs: its clock, the holders and the queue are one atomic step'

export const suite: Suite = {
  name: 'semaphore',
  async *run({ rounds, ms, redis }) {
    const url = await redis()
    for (const callers of [1, 64]) {
      yield await withEntrants(
        url,
        ({ semaphores }) => semaphores?.redis,
        (entrants) =>
          table(
            {
              title: `semaphore: acquire and release, redis, ${callers} caller${callers > 1 ? 's' : ''}`,
              ...{ unit: 'ops/s', rounds },
              bounds: [
                ratio(0.75, { of: OURS, because: BECAUSE }),
                most('commands per pair', 2, { of: OURS }),
              ],
              measure: (permits) => perSecond(callers, ms, (caller) => pair(permits[caller])),
              more: async (permits) => {
                const seen = await countCommands(url, async () => {
                  for (let done = 0; done < COUNTED; done++) await pair(permits[done % callers])
                })
                return { 'commands per pair': seen.length / COUNTED }
              },
            },
            entrants.map(({ name, use }) => ({
              name,
              // As many callers share one semaphore as it has permits: nobody ever waits.
              use: Array.from({ length: callers }, (_none, caller) =>
                use(`${callers}-${Math.floor(caller / LIMIT)}`, LIMIT),
              ),
            })),
          ),
      )
    }
  },
}
