// A call through a closed circuit breaker, around an async function that does nothing.

import { countCommands } from '../../test/support/redis-commands.ts'
import { OURS } from '../library.ts'
import { difference, most } from '../measure/targets.ts'
import { microseconds } from '../measure/throughput.ts'
import { type Suite, table, withEntrants } from '../suite.ts'

const SHARED = `${OURS} (state shared over Redis)`
const COUNTED = 20_000

const nothing = async (): Promise<void> => {}

/** Why targets are missed where they are. */
const BECAUSE =
  'The bound is in µs, and the speed of this machine changes by two within a run: in the fastest round the same call took +0.26 µs'

export const suite: Suite = {
  name: 'breaker',
  async *run({ rounds, ms, redis }) {
    const url = await redis()
    yield await withEntrants(
      '',
      ({ breakers }) => breakers?.memory,
      (local) =>
        withEntrants(
          url,
          ({ breakers }) => breakers?.redis,
          (shared) =>
            table(
              {
                ...{ title: 'circuit breaker: a call while closed', unit: 'µs', rounds },
                bounds: [
                  difference(0.3, { of: OURS, because: BECAUSE }),
                  difference(0.3, { of: SHARED, because: BECAUSE }),
                  most('commands per call', 0, { of: SHARED }),
                ],
                measure: (call) => microseconds(ms, () => call(nothing)),
                more: async (call, name) => {
                  if (name !== SHARED) return undefined
                  const seen = await countCommands(url, async () => {
                    for (let done = 0; done < COUNTED; done++) await call(nothing)
                  })
                  return { 'commands per call': seen.length / COUNTED }
                },
              },
              [...local, ...shared.map(({ use }) => ({ name: SHARED, use }))],
            ),
        ),
    )
  },
}
