// Calls a dependency through a shared breaker in a loop, and tells of every change of its state by the server's clock.

import { CircuitBreaker, isCircuitOpenError } from 'holdfast'
import { Redis } from 'ioredis'
import { argument, hear, tell } from '../support/parent.ts'
import { openStore, type StoreAt } from '../support/server-store.ts'

const { store, dependencyUrl, keyPrefix, probeLease } = argument<{
  store: StoreAt
  dependencyUrl: string
  keyPrefix: string
  probeLease: number
}>()
const redis = new Redis(dependencyUrl)
const { provider, serverTime } = openStore(store)
const breaker = new CircuitBreaker({
  stateProvider: provider,
  key: keyPrefix,
  failureThreshold: 10,
  window: 5_000,
  resetTimeout: 800,
  maxResetTimeout: 800,
  halfOpenRequests: 2,
  probeLease,
})

breaker.on('stateChange', (state) => {
  void serverTime().then((at) => tell('state', { state, at }))
})

let mostProbes = 0

/** What the dependency does now is written in Redis, so that the test decides for all at once. */
async function dependency(): Promise<void> {
  const probing = breaker.state === 'half_open'
  if (probing) {
    const inside = await redis.incr(`${keyPrefix}probes`)
    mostProbes = Math.max(mostProbes, inside)
    tell('probe', { inside })
  }
  try {
    const mood = await redis.get(`${keyPrefix}mood`)
    if (mood === 'hang') await new Promise(() => {})
    if (mood === 'stuck-probe' && probing) await new Promise(() => {})
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (mood === 'bad') throw new Error('down')
  } finally {
    if (probing) await redis.decr(`${keyPrefix}probes`)
  }
}

let calls = 0
let refused = 0
let over = false
void hear('stop').then(() => {
  over = true
})
await provider.connect()
tell('ready')
await Promise.all(
  [1, 2, 3].map(async () => {
    while (!over) {
      calls++
      const signal = AbortSignal.timeout(200)
      // A dependency that hangs never settles: its caller goes on when the time is over.
      const given = new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason))
      })
      const called = breaker.execute(dependency, { signal })
      called.catch(() => {})
      await Promise.race([called, given]).catch((error: unknown) => {
        if (isCircuitOpenError(error)) refused++
      })
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }),
)
tell('done', { calls, refused, mostProbes, state: breaker.state })
redis.disconnect()
process.exit(0)
