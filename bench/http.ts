// Servers of the frameworks behind each library's middleware, and how they are loaded.

import { randomUUID } from 'node:crypto'
import { countCommands } from '../test/support/redis-commands.ts'
import { type Framework, type Guard, guarding, OURS } from './library.ts'
import { order, requestsPerSecond } from './measure/load.ts'
import type { Table } from './measure/table.ts'
import type { Bound } from './measure/targets.ts'
import { type Bench, type Entrant, table, withNames } from './suite.ts'
import { withWorkers } from './workers.ts'

const CONNECTIONS = 32
/** Milliseconds. */
const COUNTED_FOR = 200

interface Serving {
  readonly port: number
  /** The next key to send. */
  readonly key: () => string
}

/** One framework behind every library's middleware. */
export function httpTable(
  bench: Bench,
  url: string,
  framework: Framework,
  terms: {
    readonly guard: Guard
    readonly title: string
    readonly bounds: readonly Bound[]
    /** Whether ours is also measured with one key all the time. */
    readonly replays?: boolean
  },
): Promise<Table> {
  const { guard, title, bounds, replays } = terms
  const { rounds, ms } = bench
  return withNames(
    (library) => guarding(library, guard)?.[framework] !== undefined,
    (name, run) =>
      withWorkers('serve.ts', 1, { library: name, guard, framework, url }, ({ ready }) =>
        run({ port: Number(ready[0]?.port), key: randomUUID }),
      ),
    async (entrants: readonly Entrant<Serving>[]) => {
      const ours = entrants.find(({ name }) => name === OURS)
      const replaying = ours && replays ? [await replayingOf(ours)] : []
      return table(
        {
          ...{ title, unit: 'ops/s', rounds, bounds },
          measure: (serving) =>
            requestsPerSecond(serving.port, CONNECTIONS, ms, () =>
              order(serving.port, serving.key()),
            ),
          more: async (serving) => {
            let sent = 0
            const commands = await countCommands(url, () =>
              requestsPerSecond(serving.port, 1, COUNTED_FOR, () => {
                sent++
                return order(serving.port, serving.key())
              }),
            )
            return { 'commands per request': commands.length / sent }
          },
        },
        [...entrants, ...replaying],
      )
    },
  )
}

/** The same server, asked for one key that has been executed. */
async function replayingOf({ name, use: { port } }: Entrant<Serving>): Promise<Entrant<Serving>> {
  const key = randomUUID()
  await requestsPerSecond(port, 1, 0, () => order(port, key))
  return { name: `${name}, replays`, use: { port, key: () => key } }
}
