// One lock that 64 callers want all the time, each for a millisecond.

import { countCommands } from '../../test/support/redis-commands.ts'
import { FLOOR, libraries, OURS, type Store } from '../library.ts'
import { quantile, spread, unfairness } from '../measure/statistics.ts'
import type { Table } from '../measure/table.ts'
import { type Bound, most, ratio, share } from '../measure/targets.ts'
import { type Bench, type Suite, table } from '../suite.ts'
import { withWorkers } from '../workers.ts'

const CALLERS = 64
const HOLD = 1
/** Longer than other measurements, so that everybody's turn comes often. */
const LONGER = 3
const BECAUSE = {
  redis:
    'The others let whoever released take the lock again at once, in the same process, while somebody waits for ever; in turn, each hand-off is a message to another caller and its claim',
  postgres:
    'An advisory lock writes nothing; here each hand-off is a row that two transactions write, those of whoever releases and of whoever claims, and a notification between them',
}

interface Told {
  readonly holds: readonly { caller: number; granted: number; released: number }[]
  readonly callers: number
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

/** Contends for so many milliseconds; `watching` is around that, and not around the start of the processes. */
type Contend = (ms: number, watching?: Watching) => Promise<Round>
type Watching = (work: () => Promise<unknown>) => Promise<unknown>

let keys = 0

/** One round, in processes and under a key of its own: pollers that still wait at its end would take seconds to finish. */
function contending(library: string, store: Store, processes: number, url: string): Contend {
  return (ms, watching = (work) => work()) => {
    const key = `contended-${process.pid}-${++keys}`
    const order = { library, store, url, key, hold: HOLD, callers: CALLERS / processes }
    return withWorkers('contend.ts', processes, order, async (workers) => {
      let told: readonly Told[] = []
      await watching(async () => {
        workers.send('round', { until: performance.timeOrigin + performance.now() + ms })
        told = await workers.hear<Told>('done')
      })
      return judge(told, ms)
    })
  }
}

function judge(told: readonly Told[], ms: number): Round {
  const holds = told.flatMap((each) => each.holds).toSorted((a, b) => a.granted - b.granted)
  const shares = told.flatMap(({ holds, callers }) => {
    const grants = Array.from({ length: callers }, () => 0)
    for (const { caller } of holds) grants[caller] = (grants[caller] ?? 0) + 1
    return grants
  })
  return {
    perSecond: (holds.length * 1_000) / ms,
    unfairness: unfairness(shares),
    handOffs: holds.slice(1).map(({ granted }, at) => granted - (holds[at]?.released ?? granted)),
    acquisitions: holds.length,
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
  const asked = ms * LONGER
  const entrants = (await libraries())
    .filter(({ name, locks }) => locks?.[store] && name !== FLOOR)
    .map(({ name }) => ({ name, use: contending(name, store, processes, url) }))
  return table(
    {
      ...{ title, unit: 'ops/s', rounds, ...terms },
      measure: async (contend, name) => {
        const round = await contend(asked)
        seen.set(name, [...(seen.get(name) ?? []), round])
        return round.perSecond
      },
      more: async (contend, name) => {
        const counted = seen.get(name)?.slice(1) ?? []
        const handOffs = counted.flatMap((round) => round.handOffs)
        return {
          'grants max ÷ min': spread(counted.map((round) => round.unfairness)).median,
          'hand-off p99, ms': handOffs.length > 0 ? quantile(handOffs, 0.99) : undefined,
          ...(await cost(store, contend, url, asked)),
        }
      },
    },
    entrants,
  )
}

/** In a round of its own: to watch a server slows it down. */
async function cost(
  store: Store,
  contend: Contend,
  url: string,
  ms: number,
): Promise<Readonly<Record<string, number>>> {
  if (store === 'postgres') {
    const { statements, acquisitions } = await contend(ms)
    return { 'statements per acquisition': statements / acquisitions }
  }
  let commands = 0
  const { acquisitions } = await contend(ms, async (work) => {
    commands = (await countCommands(url, work)).length
  })
  return { 'commands per acquisition': commands / acquisitions }
}

export const suite: Suite = {
  name: 'lock-contended',
  async *run(bench) {
    for (const processes of [1, 4]) {
      yield await contended('redis', processes, await bench.redis(), bench, {
        bounds: [
          share(0.9, { of: OURS, because: BECAUSE.redis }),
          most('grants max ÷ min', 1.5, { of: OURS }),
          most('commands per acquisition', 4, { of: OURS }),
        ],
      })
    }
    yield await contended('postgres', 4, await bench.postgres(), bench, {
      base: 'pg_advisory_lock',
      bounds: [
        ratio(0.6, { of: OURS, because: BECAUSE.postgres }),
        most('grants max ÷ min', 1.5, { of: OURS }),
        most('statements per acquisition', 5, { of: OURS }),
      ],
    })
  },
}
