// Every name and every duration of every primitive: what is not legal is refused, and no server hears of it.

import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import {
  Cache,
  CacheWarmer,
  Checkpointer,
  CircuitBreaker,
  Idempotency,
  isInvalidArgumentError,
  LeaderElection,
  Lock,
  RateLimiter,
  type Result,
  Semaphore,
  scope,
} from '../../src/index.ts'
import { freePort } from '../support/free-port.ts'

type Store = RedisAdapter | PostgresAdapter

/** Does something with the value that is on trial; it throws or rejects what the value deserves. */
type Use = (provider: Store, value: never) => unknown

const key = 'k'
const work = () => 'done'

async function task(result: Promise<Result<unknown>>): Promise<void> {
  const [error] = await result
  if (error) throw error
}

function cache(provider: Store): Cache {
  return new Cache({ provider, name: 'n' })
}

function warmer(provider: Store): CacheWarmer {
  return new CacheWarmer(scope(), provider)
}

const names: Readonly<Record<string, Use>> = {
  'the key of a lock': (provider, value) => new Lock(undefined, { provider, key: value }),
  'the owner of a lock': (provider, owner) => new Lock(undefined, { provider, key, owner }),
  'the name of a lock': (provider, name) => new Lock(undefined, { provider, key, name }),
  'the key of a semaphore': (provider, value) => new Semaphore(1, { provider, key: value }),
  'the name of a semaphore': (provider, name) => new Semaphore(1, { provider, key, name }),
  'the key of a rate limiter': (provider, value) =>
    new RateLimiter({ provider, key: value, limit: 1, window: 1 }),
  'the name of a rate limiter': (provider, name) =>
    new RateLimiter({ provider, key, name, limit: 1, window: 1 }),
  'the name of a rule': (provider, name) =>
    new RateLimiter({ provider, key, rules: [{ name, limit: 1, window: 1 }] }),
  'the key of a rate-limited call': (provider, value) =>
    new RateLimiter({ provider, key, limit: 1, window: 1 }).consume({ key: value }),
  'the key of a peek': (provider, value) =>
    new RateLimiter({ provider, key, limit: 1, window: 1 }).peek({ key: value }),
  'the key of a breaker': (stateProvider, value) =>
    new CircuitBreaker({ stateProvider, key: value }),
  'the name of a breaker': (stateProvider, name) =>
    new CircuitBreaker({ stateProvider, key, name }),
  'the key of an idempotent call': (provider, value) =>
    new Idempotency({ provider }).run(value, work),
  'the fingerprint of an idempotent call': (provider, fingerprint) =>
    new Idempotency({ provider }).run(key, work, { fingerprint }),
  'the key of a resolution': (provider, value) =>
    new Idempotency({ provider }).resolve(value, { retry: true }),
  'the name of a cache': (provider, name) => new Cache({ provider, name }),
  'the key of a value': (provider, value) => cache(provider).get(value, work),
  'the key of a look': (provider, value) => cache(provider).peek(value),
  'the key of a value that is set': (provider, value) => cache(provider).set(value, 1),
  'the key of a value that is deleted': (provider, value) => cache(provider).delete(value),
  'the key of an entry': (provider, value) => warmer(provider).register(value, { fetcher: work }),
  'the task of a checkpointer': (provider, taskId) =>
    new Checkpointer(undefined, { provider, taskId }),
  'the task of a checkpoint': (provider, taskId) =>
    provider.saveCheckpoint({ taskId, sequence: 0, timestamp: 0, state: 1 }),
  'the task of the latest checkpoint': (provider, taskId) => provider.loadLatestCheckpoint(taskId),
  'the task of a checkpoint that is loaded': (provider, taskId) =>
    provider.loadCheckpoint(taskId, 0),
  'the task of a list': (provider, taskId) => provider.listCheckpoints(taskId),
  'the task of a clean-up': (provider, taskId) => provider.cleanupCheckpoints(taskId, 1),
  'the task of a deletion': (provider, taskId) => provider.deleteAllCheckpoints(taskId),
  'the key of an election': (provider, value) =>
    new LeaderElection(undefined, { provider, key: value }),
  'the owner of an election': (provider, owner) =>
    new LeaderElection(undefined, { provider, key, owner }),
  'the name of a scope': (_, name) => scope({ name }),
  'the lock of a task': (provider, value) =>
    task(scope({ provider }).task(work, { lock: { key: value } })),
  'the circuit breaker of a task': (provider, value) =>
    task(scope({ provider }).task(work, { circuitBreaker: { key: value } })),
  'the rate limit of a task': (provider, value) =>
    task(scope({ provider }).task(work, { rateLimit: { key: value, limit: 1, window: 1 } })),
  'the semaphore of a task': (provider, value) =>
    task(scope({ provider }).task(work, { semaphore: { key: value, limit: 1 } })),
  'the idempotency key of a task': (provider, value) =>
    task(scope({ provider }).task(work, { idempotency: { key: value } })),
}

const durations: Readonly<Record<string, Use>> = {
  'the ttl of a lock': (provider, ttl) => new Lock(undefined, { provider, key, ttl }),
  'the longest hold of a lock': (provider, maxHold) =>
    new Lock(undefined, { provider, key, maxHold }),
  'the ttl of a permit': (provider, ttl) => new Semaphore(1, { provider, key, ttl }),
  'the window of a rate limiter': (provider, window) =>
    new RateLimiter({ provider, key, limit: 1, window }),
  'the window of a rule': (provider, window) =>
    new RateLimiter({ provider, key, rules: [{ limit: 1, window }] }),
  'the window of a breaker': (stateProvider, window) =>
    new CircuitBreaker({ stateProvider, key, window }),
  'the reset timeout of a breaker': (stateProvider, resetTimeout) =>
    new CircuitBreaker({ stateProvider, key, resetTimeout }),
  'the longest reset timeout of a breaker': (stateProvider, maxResetTimeout) =>
    new CircuitBreaker({ stateProvider, key, maxResetTimeout }),
  'the lease of a probe': (stateProvider, probeLease) =>
    new CircuitBreaker({ stateProvider, key, probeLease }),
  'the duration of a slow call': (stateProvider, duration) =>
    new CircuitBreaker({ stateProvider, key, slowCall: { duration, rate: 1 } }),
  'the ttl of outcomes': (provider, ttl) => new Idempotency({ provider, ttl }),
  'the lease of executions': (provider, lease) => new Idempotency({ provider, lease }),
  'the ttl of one outcome': (provider, ttl) =>
    new Idempotency({ provider }).run(key, work, { ttl }),
  'the ttl of a cache': (provider, ttl) => new Cache({ provider, name: 'n', ttl }),
  'the ttl of nothing': (provider, negativeTtl) => new Cache({ provider, name: 'n', negativeTtl }),
  'the lease of loads': (provider, lease) => new Cache({ provider, name: 'n', lease }),
  'the timeout of loads': (provider, loadTimeout) =>
    new Cache({ provider, name: 'n', loadTimeout }),
  'the ttl of a value': (provider, ttl) => cache(provider).get(key, work, { ttl }),
  'the ttl of a value that is set': (provider, ttl) => cache(provider).set(key, 1, { ttl }),
  'the ttl of a warmer': (provider, defaultTTL) =>
    new CacheWarmer(scope(), provider, { defaultTTL }),
  'the interval of a warmer': (provider, checkInterval) =>
    new CacheWarmer(scope(), provider, { checkInterval }),
  'the ttl of an entry': (provider, ttl) => warmer(provider).register(key, { fetcher: work, ttl }),
  'the lease of a checkpointer': (provider, lease) =>
    new Checkpointer(undefined, { provider, taskId: key, lease }),
  'the ttl of a checkpointer': (provider, ttl) =>
    new Checkpointer(undefined, { provider, taskId: key, ttl }),
  'the ttl of a checkpoint': (provider, ttl) =>
    provider.saveCheckpoint({ taskId: key, sequence: 0, timestamp: 0, state: 1 }, { ttl }),
  'the ttl of an election': (provider, ttl) =>
    new LeaderElection(undefined, { provider, key, ttl }),
  'the renew deadline of an election': (provider, renewDeadline) =>
    new LeaderElection(undefined, { provider, key, renewDeadline }),
  'the retry interval of an election': (provider, retryInterval) =>
    new LeaderElection(undefined, { provider, key, retryInterval }),
  'the longest that an election waits for its function': (provider, abandonAfter) =>
    new LeaderElection(undefined, { provider, key, abandonAfter }),
  'the timeout of a scope': (_, timeout) => scope({ timeout }),
  'the dispose timeout of a scope': (_, disposeTimeout) => scope({ disposeTimeout }),
  'the timeout of a task': (provider, timeout) => task(scope({ provider }).task(work, { timeout })),
  'the delay of a retry': (provider, delay) =>
    task(scope({ provider }).task(work, { retry: { delay } })),
  'the ttl of a task’s lock': (provider, ttl) =>
    task(scope({ provider }).task(work, { lock: { key, ttl } })),
  'the deadline of the Redis adapter': (_, deadline) => new RedisAdapter(redis, { deadline }),
  'the deadline of the PostgreSQL adapter': (_, deadline) =>
    new PostgresAdapter(pool, { deadline }),
}

const illegalNames = ['', '\ud800', 'a\udfffb', 'x'.repeat(65_537), 7, null]
const illegalDurations = [
  Number.NaN,
  -1,
  0,
  1.5,
  2 ** 53,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  '10',
  null,
]

/** Where both clients would connect to; it counts who comes, and lets nobody in. */
let server: Server
let arrivals = 0
let redis: Redis
let pool: Pool
let stores: readonly Store[]

beforeAll(async () => {
  server = createServer((socket) => {
    arrivals++
    socket.destroy()
  })
  const port = await freePort()
  await once(server.listen(port, '127.0.0.1'), 'listening')
  redis = new Redis(port, '127.0.0.1', { lazyConnect: true })
  pool = new Pool({ host: '127.0.0.1', port })
  stores = [
    new RedisAdapter(redis, { deadline: 200 }),
    new PostgresAdapter(pool, { deadline: 200 }),
  ]
})

afterAll(async () => {
  redis.disconnect()
  await pool.end()
  server.close()
})

async function refusals(use: Use, values: readonly unknown[]): Promise<readonly unknown[]> {
  const found: unknown[] = []
  for (const provider of stores) {
    for (const value of values) {
      const outcome = await (async () => use(provider, value as never))().then(
        () => `${String(value).slice(0, 20)} was taken`,
        (error: unknown) => error,
      )
      if (!isInvalidArgumentError(outcome)) found.push(outcome)
    }
  }
  return found
}

describe('no server hears of', () => {
  test.each(Object.entries(names))('%s that is no name', async (_, use) => {
    expect(await refusals(use, illegalNames)).toEqual([])
    expect(arrivals).toBe(0)
  })

  test.each(Object.entries(durations))('%s that is no duration', async (_, use) => {
    expect(await refusals(use, illegalDurations)).toEqual([])
    expect(arrivals).toBe(0)
  })

  test('anything but what is legal: a lock does arrive', async () => {
    for (const provider of stores) {
      const before = arrivals
      await new Lock(undefined, { provider, key }).acquire({ timeout: 300 }).catch(() => {})
      expect(arrivals).toBeGreaterThan(before)
    }
  })
})
