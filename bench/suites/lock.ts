// Acquire and release, uncontended: every caller has a lock of its own.

import { countCommands } from '../../test/support/redis-commands.ts'
import { type Acquire, OURS, type Store } from '../library.ts'
import type { Table } from '../measure/table.ts'
import { type Bound, most, ratio } from '../measure/targets.ts'
import { microseconds, pair, perSecond } from '../measure/throughput.ts'
import { countStatements } from '../statements.ts'
import { type Bench, type Suite, table, withEntrants } from '../suite.ts'

const COUNTED = 200

/** Why the targets are missed where they are, as profiles show it. */
const BECAUSE = {
  memory:
    'A pair keeps a lease with its timer, a fencing token, a queue that all objects share, and two metrics, behind the port that serves every store: some ten promises to one',
  redis:
    'Each pair takes the server 10 µs of processor time, the floor 2 µs: its clock, the fence, the holder and the queue are one atomic step; and this process 13 µs, the floor 7 µs',
  postgres:
    'Called directly, the two functions take as long as the two upserts; the rest is spent in this process, by a fair turn at the pool and by time limits for client and statement, and by a release that does not wait for a disk (which none of these servers has)',
}

const several = (many: (key: string) => Acquire, callers: number): Acquire[] =>
  Array.from({ length: callers }, (_none, caller) => many(`${callers}-${caller}`))

async function* onStore(
  store: Exclude<Store, 'memory'>,
  url: string,
  { rounds, ms }: Bench,
  bounds: readonly Bound[],
  count: (work: () => Promise<unknown>) => Promise<number>,
  column: string,
): AsyncGenerator<Table> {
  for (const callers of [1, 64]) {
    const title = `lock: acquire and release, ${store}, ${callers} caller${callers > 1 ? 's' : ''}`
    yield await withEntrants(
      url,
      ({ locks, waitsOnly }) => (waitsOnly ? undefined : locks?.[store]),
      (entrants) => {
        const own = entrants.map(({ name, use }) => ({ name, use: several(use, callers) }))
        return table(
          {
            ...{ title, unit: 'ops/s', rounds, bounds },
            measure: (locks) => perSecond(callers, ms, (caller) => pair(locks[caller])),
            more: async (locks) => {
              const counted = await count(async () => {
                for (let done = 0; done < COUNTED; done++) await pair(locks[done % callers])
              })
              return { [column]: counted / COUNTED }
            },
          },
          own,
        )
      },
    )
  }
}

async function inMemory({ rounds, ms }: Bench): Promise<Table> {
  return withEntrants(
    '',
    ({ locks }) => locks?.memory,
    (entrants) => {
      const own = entrants.map(({ name, use }) => ({ name, use: use('bench') }))
      return table(
        {
          ...{ title: 'lock: acquire and release, memory', unit: 'µs', rounds },
          bounds: [ratio(3, { of: OURS, because: BECAUSE.memory })],
          measure: (acquire) => microseconds(ms, () => pair(acquire)),
        },
        own,
      )
    },
  )
}

export const suite: Suite = {
  name: 'lock',
  async *run(bench) {
    yield await inMemory(bench)
    const redis = await bench.redis()
    const commands = async (work: () => Promise<unknown>): Promise<number> =>
      (await countCommands(redis, work)).length
    yield* onStore(
      'redis',
      redis,
      bench,
      [
        ratio(0.75, { of: OURS, because: BECAUSE.redis }),
        most('commands per pair', 2, { of: OURS }),
      ],
      commands,
      'commands per pair',
    )
    yield* onStore(
      'postgres',
      await bench.postgres(),
      bench,
      [
        ratio(0.9, { of: OURS, because: BECAUSE.postgres }),
        most('statements per pair', 2, { of: OURS }),
      ],
      countStatements,
      'statements per pair',
    )
  },
}
