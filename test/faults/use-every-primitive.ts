// Uses every primitive over a store and leaves much of it open: held, waited for, watched, led.

import {
  type Adapter,
  Cache,
  CacheWarmer,
  Checkpointer,
  CircuitBreaker,
  Idempotency,
  type IdempotencyProvider,
  LeaderElection,
  Lock,
  RateLimiter,
  Semaphore,
  scope,
} from 'holdfast'
import type { PostgresAdapter } from 'holdfast/postgres'
import type { RedisAdapter } from 'holdfast/redis'

/** `alone` is a provider of idempotent calls and nothing else. */
export async function useEveryPrimitive(
  provider: RedisAdapter | PostgresAdapter,
  alone: IdempotencyProvider,
): Promise<void> {
  const store: Adapter = provider
  // Held, and renewed behind its back.
  await new Lock(undefined, { provider, key: 'held', ttl: 1_000 }).acquire()
  const shared = new Lock(undefined, { provider, key: 'shared', allowMultipleReaders: true })
  await shared.read()
  await new Semaphore(2, { provider, key: 'permits', ttl: 1_000 }).acquire()
  // Contended, so that it listens.
  const lock = new Lock(undefined, { provider, key: 'contended' })
  const first = await lock.acquire()
  const waiting = lock.acquire({ timeout: 5_000 })
  while ((await lock.inspect()).waiters.length === 0);
  await first.release()
  await waiting

  await new RateLimiter({ provider, key: 'rate', limit: 5, window: 60_000 }).consume()
  const breaker = new CircuitBreaker({
    stateProvider: provider,
    key: 'breaker',
    failureThreshold: 1,
  })
  await breaker.execute(async () => 1)
  await breaker.execute(() => Promise.reject(new Error('down'))).catch(() => {})

  await new Idempotency({ provider }).run('call', () => 1)
  const s = scope({ provider: store })
  await s.task(async () => 1, { idempotency: { provider: alone, key: 'task' } })

  const cache = new Cache({ provider, name: 'cache', ttl: 1_000 })
  await cache.get('key', () => 'value')
  await cache.get('key', () => 'value')
  await cache.clear()
  const warmer = new CacheWarmer(s, provider, { checkInterval: 100, name: 'warmed' })
  const entry = warmer.register('entry', { fetcher: () => 'value', ttl: 1_000 })
  await warmer.ready()
  await entry.get()

  await provider.saveCheckpoint({ taskId: 'bare', sequence: 1, timestamp: 0, state: 1 })
  await provider.loadLatestCheckpoint('bare')
  await provider.deleteAllCheckpoints('bare')
  const task = new Checkpointer(undefined, { provider, taskId: 'ended' })
  await task.run((run) => run.save({ next: 1 }))
  await begun((begin) => {
    const open = new Checkpointer(undefined, { provider, taskId: 'open', lease: 1_000 })
    return open.run(begin)
  })
  await begun((begin) => new LeaderElection(undefined, { provider, key: 'led' }).run(begin))
}

/** Resolves when work has begun that never ends. */
function begun(start: (begin: () => Promise<never>) => Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    start(() => {
      resolve()
      return new Promise(() => {})
    }).catch(reject)
  })
}
