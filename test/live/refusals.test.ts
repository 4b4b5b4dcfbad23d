// Every name and every duration of every primitive: what is not legal is refused, and no server hears of it.

import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import {
  CircuitBreaker,
  Idempotency,
  isInvalidArgumentError,
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
  'the name of a scope': (_, name) => scope({ name }),
  'the lock of a task': (provider, value) =>
    task(scope({ provider }).task(work, { lock: { key: value } })),
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

describe('refused, without a byte to any server,', () => {
  test.each(Object.entries(names))('is %s that is no name', async (_, use) => {
    expect(await refusals(use, illegalNames)).toEqual([])
    expect(arrivals).toBe(0)
  })

  test.each(Object.entries(durations))('is %s that is no duration', async (_, use) => {
    expect(await refusals(use, illegalDurations)).toEqual([])
    expect(arrivals).toBe(0)
  })

  test('and nothing else: a legal call does arrive', async () => {
    for (const provider of stores) {
      const before = arrivals
      await new Lock(undefined, { provider, key }).acquire({ timeout: 300 }).catch(() => {})
      expect(arrivals).toBeGreaterThan(before)
    }
  })
})
