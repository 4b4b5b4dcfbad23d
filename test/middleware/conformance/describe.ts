// Registers the rows with vitest, for one framework on one store.

import { describe, test } from 'vitest'
import type { Adapter } from '../../../src/core/ports.ts'
import { eventually } from '../../support/eventually.ts'
import type { Bench, RowGroup } from './row.ts'
import { groups } from './rows/index.ts'
import type { Framework, Service, ServiceSpec } from './service.ts'
import { type SpiedStore, spiedStore } from './spied-store.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** What this row of the conformance suite is about, and what it ran on; counted at the end of the run. */
    conformance?: { readonly subject: string; readonly framework: string; readonly store: string }
  }
}

export interface ConformanceOptions {
  readonly store: string
  /** An empty store for each row; called once more for each further connection to it. */
  readonly open: () => () => Adapter
  /** Which rows. @defaultValue all */
  readonly rows?: readonly RowGroup[]
  /** How the framework is called in the table. @defaultValue its name */
  readonly label?: string
}

/** One test for each row. */
export function describeConformance(
  framework: Framework,
  { store, open, rows = groups, label = framework.name }: ConformanceOptions,
): void {
  for (const group of rows) {
    const meta = { conformance: { subject: group.subject, framework: label, store } }
    // Beside each other: most of a row's time is waiting, and no two share a service or a store.
    describe(group.subject, { concurrent: true, timeout: 15_000 }, () => {
      for (const row of group.rows) {
        if (row.only && row.only !== framework.name) continue
        test(row.name, { meta }, async () => {
          await using bench = openBench(framework, open())
          await row.check(bench)
          // Whatever else a row is about: no request is left without an answer.
          await eventually(() => bench.waiting().length === 0, {
            what: `an answer to ${bench.waiting().join(' and ')}`,
          })
        })
      }
    })
  }
}

interface OpenBench extends Bench, AsyncDisposable {
  /** The requests of all services that wait for an answer. */
  waiting(): string[]
}

function openBench(framework: Framework, connect: () => Adapter): OpenBench {
  const services: Service[] = []
  const connections: SpiedStore[] = []
  const connected = (): SpiedStore => {
    const connection = spiedStore(connect())
    connections.push(connection)
    return connection
  }
  const store = connected()
  const serveAll = async (spec: ServiceSpec): Promise<Service> => {
    const service = await framework.serve(spec)
    services.push(service)
    return service
  }
  return {
    framework: framework.name,
    store,
    otherProcess: connected,
    serveAll,
    serve: (guards, handler) =>
      serveAll({
        use: [['requestScope', { provider: store }]],
        routes: { 'POST /': { guards, handler } },
      }),
    waiting: () => services.flatMap(({ client }) => [...client.waiting]),
    [Symbol.asyncDispose]: async () => {
      await Promise.all(services.map((service) => service[Symbol.asyncDispose]()))
      await Promise.all(connections.map((connection) => connection.disconnect()))
    },
  }
}
