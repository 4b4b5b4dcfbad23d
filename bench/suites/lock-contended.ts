// One lock that 64 callers want all the time, each for a millisecond.

import { countCommands } from '../../test/support/redis-commands.ts'
import { OURS, type Store } from '../library.ts'
import { quantile, spread, unfairness } from '../measure/statistics.ts'
import type { Table } from '../measure/table.ts'
import { type Bound, most, ratio, share } from '../measure/targets.ts'
import { type Bench, type Entrant, type Suite, table, withNames } from '../suite.ts'
import { type Workers, withWorkers } from '../workers.ts'

const CALLERS = 64
const HOLD = 1
/** Longer than other measurements, so that everybody's turn comes often. */
const LONGER = 3

interface Told {
  readonly holds: readonly { caller: number; granted: number; released: number }[]
  readonly statements: number
}

/** What one round of everybody's contention showed. */
interface Round {
  readonly perSecond: number
  readonly unfairness: number
  /** Milliseconds from the start of a release to the next grant. */
  readonly handOffs: readonly number[]
  readonly acquisitions: number
  readonly statements: number
}

async function contend(workers: Workers, ms: number): Promise<Round> {
  const started = performance.timeOrigin + performance.now()
  const until = started + ms
  workers.send('round', { until })
  const told = await workers.hear<Told>('done')
  const all = told.flatMap(({ holds }) => holds).toSorted((a, b) => a.granted - b.granted)
  const inTime = all.filter(({ granted }) => granted < until)
  const shares = told.flatMap(({ holds }) => {
    const callers = new Map(holds.map(({ caller }) => [caller, 0]))
    for (const { caller, granted } of holds) {
      if (granted < until) callers.set(caller, (callers.get(caller) ?? 0) + 1)
    }
    return [...callers.values()]
  })
  return {
    perSecond: (inTime.length * 1_000) / ms,
    unfairness: unfairness(shares),
    handOffs: inTime.slice(1).map(({ granted }, at) => granted - (inTime[at]?.released ?? granted)),
    acquisitions: all.length,
    statements: told.reduce((sum, { statements }) => sum + statements, 0),
  }
}

async function contended(
  store: Exclude<Store, 'memory'>,
  processes: number,
  url: string,
  { rounds, ms }: Bench,
  terms: { readonly base?: string; readonly bounds: readonly Bound[] },
): Promise<Table> {
  const title = `lock: ${CALLERS} waiters in ${processes} process${processes > 1 ? 'es' : ''}, held for ${HOLD} ms, ${store}`
  const seen = new Map<string, Round[]>()
  const order = { store, url, hold: HOLD, callers: CALLERS / processes }
  const asked = ms * LONGER
  return withNames(
    ({ name, locks }) => locks?.[store] !== undefined && name !== 'floor',
    (name, run) => withWorkers('contend.ts', processes, { ...order, library: name }, run),
    (entrants: readonly Entrant<Workers>[]) =>
      table(
        {
          ...{ title, unit: 'ops/s', rounds, ...terms },
          measure: async (workers, name) => {
            const round = await contend(workers, asked)
            seen.set(name, [...(seen.get(name) ?? []), round])
            return round.perSecond
          },
          more: async (workers, name) => {
            const counted = seen.get(name)?.slice(1) ?? []
            return {
              'grants max ÷ min': spread(counted.map((round) => round.unfairness)).median,
              'hand-off p99, ms': quantile(
                counted.flatMap(({ handOffs }) => handOffs),
                0.99,
              ),
              ...(await cost(store, workers, url, asked)),
            }
          },
        },
        entrants,
      ),
  )
}

/** In a round of its own: to watch a server slows it down. */
async function cost(
  store: Store,
  workers: Workers,
  url: string,
  ms: number,
): Promise<Readonly<Record<string, number>>> {
  if (store === 'postgres') {
    const { statements, acquisitions } = await contend(workers, ms)
    return { 'statements per acquisition': statements / acquisitions }
  }
  let acquisitions = 0
  const commands = await countCommands(url, async () => {
    acquisitions = (await contend(workers, ms)).acquisitions
  })
  return { 'commands per acquisition': commands.length / acquisitions }
}

export const suite: Suite = {
  name: 'lock-contended',
  async *run(bench) {
    for (const processes of [1, 4]) {
      yield await contended('redis', processes, await bench.redis(), bench, {
        bounds: [
          share(0.9, { of: OURS }),
          most('grants max ÷ min', 1.5, { of: OURS }),
          most('commands per acquisition', 4, { of: OURS }),
        ],
      })
    }
    yield await contended('postgres', 4, await bench.postgres(), bench, {
      base: 'pg_advisory_lock',
      bounds: [
        ratio(0.6, { of: OURS }),
        most('grants max ÷ min', 1.5, { of: OURS }),
        most('statements per acquisition', 5, { of: OURS }),
      ],
    })
  },
}
