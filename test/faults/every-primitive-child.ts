// A program that uses every primitive over Redis, leaves much of it open, and closes its client.

import { CircuitBreaker, Idempotency, Lock, RateLimiter, Semaphore, scope } from 'holdfast'
import { RedisAdapter, RedisIdempotencyAdapter } from 'holdfast/redis'
import { Cluster, Redis } from 'ioredis'
import { argument, tell } from '../support/parent.ts'

type Address = { readonly host: string; readonly port: number }

const { url, nodes, keyPrefix, lazy } = argument<{
  readonly url?: string
  readonly nodes?: Address[]
  readonly keyPrefix: string
  /** Whether the program's own client never connects, and so has nothing to close. */
  readonly lazy: boolean
}>()
const redis = nodes
  ? new Cluster(nodes, { slotsRefreshInterval: 500, lazyConnect: lazy })
  : new Redis(`${url}`, { lazyConnect: lazy })
const provider = new RedisAdapter(redis, { keyPrefix })
await provider.connect()

// Held, and renewed behind its back.
await new Lock(undefined, { provider, key: 'held', ttl: 1_000 }).acquire()
await new Semaphore(2, { provider, key: 'permits', ttl: 1_000 }).acquire()
// Contended, so that it listens.
const lock = new Lock(undefined, { provider, key: 'contended' })
const first = await lock.acquire()
const waiting = lock.acquire({ timeout: 5_000 })
while ((await lock.inspect()).waiters.length === 0);
await first.release()
await waiting
await new RateLimiter({ provider, key: 'rate', limit: 5, window: 60_000 }).consume()
const breaker = new CircuitBreaker({ stateProvider: provider, key: 'breaker', failureThreshold: 1 })
await breaker.execute(async () => 1)
await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => {})
await new Idempotency({ provider }).run('call', () => 1)
const s = scope({ provider })
const idempotency = { provider: new RedisIdempotencyAdapter(redis, { keyPrefix }), key: 'task' }
await s.task(async () => 1, { idempotency })
const record = { record: 'r', ttl: 1_000, meta: {} }
await provider.records.put({ ...record, value: 'value' })
await provider.records.clear('r', { channel: 'cleared', text: 'r' })
await provider.histories.open('h', 1, 1_000)
const entry = { history: 'h', token: 1, sequence: 1, value: 'value', keep: 1, ttl: 1_000, meta: {} }
await provider.histories.append(entry)
await provider.histories.remove('h')

if (!lazy) await redis.quit()
tell('closed')
