// A candidate: stands for election until it is told to stop, and writes down every moment at which it believed to lead.

import { openSync } from 'node:fs'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { LeaderElection } from 'holdfast'
import { witness } from '../support/beliefs.ts'
import { argument, hear, tell } from '../support/parent.ts'
import { openStore, type StoreAt } from '../support/server-store.ts'

/** What the test tells a candidate. */
interface Order {
  readonly store: StoreAt
  readonly owner: string
  readonly log: string
  readonly ttl: number
  readonly renewDeadline: number
  readonly retryInterval: number
  /** By how much the store's leases are shorter than the candidate believes: 1 unless the store is broken on purpose. */
  readonly shortened: number
}

const { store, log, shortened, ...options } = argument<Order>()
const spans = new InMemorySpanExporter()
trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] }),
)
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())

const { provider, close } = openStore(store)
const { grants, histories, signals, deadline } = provider
const shorter = {
  histories,
  signals,
  deadline,
  grants: {
    acquire: (request: Parameters<typeof grants.acquire>[0]) =>
      grants.acquire({ ...request, ttl: Math.ceil(request.ttl / shortened) }),
    renew: (resource: string, id: string, ttl: number) =>
      grants.renew(resource, id, Math.ceil(ttl / shortened)),
    release: grants.release.bind(grants),
    beat: grants.beat.bind(grants),
    inspect: grants.inspect.bind(grants),
  },
}
const election = new LeaderElection(undefined, {
  ...options,
  provider: shortened === 1 ? provider : shorter,
  key: 'scheduler',
})

const file = openSync(log, 'a')
let current = 0
const asking = setInterval(() => witness(file, current, () => election.isLeader), 2)

let over = false
void hear('stop').then(() => {
  over = true
  void election.resign()
})
void (async () => {
  for (;;) {
    await hear('resign')
    void election.resign()
  }
})()

tell('standing')
while (!over) {
  await election
    .run(async (term) => {
      current = term.fencingToken
      tell('leads', { token: current })
      const held = (): boolean => {
        try {
          term.assertHeld()
          return true
        } catch {
          return false
        }
      }
      while (!term.signal.aborted) {
        witness(file, term.fencingToken, held)
        await new Promise((resolve) => setTimeout(resolve, 2))
      }
      tell('led', { token: term.fencingToken })
    })
    .catch((error: Error) => tell('failed', { message: error.message }))
}
clearInterval(asking)
const wakeups = spans
  .getFinishedSpans()
  .filter(({ name }) => name.startsWith('leader_election.campaign'))
  .filter(({ attributes }) => attributes['holdfast.outcome'] === 'elected')
  .map(({ attributes }) => attributes['holdfast.leader_election.wakeup'] ?? 'none')
tell('stopped', { wakeups })
await close()
process.exit(0)
