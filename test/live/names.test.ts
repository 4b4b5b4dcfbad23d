// Legal names, however odd, are names of different things to every primitive on every store.

import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import {
  Cache,
  Checkpointer,
  CircuitBreaker,
  Idempotency,
  LeaderElection,
  Lock,
  MemoryAdapter,
  RateLimiter,
  Semaphore,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { deleteKeys } from '../support/redis-store.ts'

const own = `names_${process.pid}`
const redis = new Redis(inject('redisUrl'))
const pool = new Pool({ connectionString: inject('databaseUrl') })
afterAll(async () => {
  await deleteKeys(redis, own)
  await pool.query(`drop schema if exists ${own} cascade`)
  await pool.end()
  await redis.quit()
})

const stores = [
  { name: 'memory', provider: new MemoryAdapter() },
  { name: 'Redis', provider: new RedisAdapter(redis, { keyPrefix: `${own}:` }) },
  { name: 'PostgreSQL', provider: new PostgresAdapter(pool, { schema: own }) },
] as const

const names = [
  '\n',
  '\r\n',
  'a\nb',
  '{',
  '}',
  '{}',
  '{a}',
  'a}{b',
  '\u0000',
  'a\u0000',
  '__proto__',
  'constructor',
  'a',
  'A',
  ' ',
  ':',
  '%7B',
  '%00',
  '*',
  '\u00e9',
  'e\u0301',
  `${'x'.repeat(10_000)}y`,
  `${'x'.repeat(10_000)}z`,
]

/** What becomes of each name when all are used at once. */
function forAll<T>(use: (name: string) => Promise<T>): Promise<readonly T[]> {
  return Promise.all(names.map(use))
}

const all = <T>(value: T): readonly T[] => names.map(() => value)

describe.each(stores)('on $name', ({ provider }) => {
  test('every lock of such a name can be held at the same time, and every semaphore', async () => {
    const locks = await forAll((key) => new Lock(undefined, { provider, key }).tryAcquire())
    expect(locks.map((guard) => guard?.held)).toEqual(all(true))
    const permits = await forAll((key) => new Semaphore(1, { provider, key }).tryAcquire())
    expect(permits.map((permit) => permit?.held)).toEqual(all(true))
    for (const held of [...locks, ...permits]) await held?.release()
  })

  test('every idempotent call of such a key has its own outcome', async () => {
    const idempotency = new Idempotency({ provider })
    const ask = (name: string) => idempotency.run(name, () => `of ${name}`, { fingerprint: name })
    await forAll(ask)
    const replays = await forAll(ask)
    expect(replays.map(({ value, replayed }) => [value, replayed])).toEqual(
      names.map((name) => [`of ${name}`, true]),
    )
  })

  test('every limiter, rule and caller of such a name has its own limit', async () => {
    const limit = { limit: 1, window: 60_000 }
    const limiters = await forAll((key) =>
      new RateLimiter({ provider, key, rules: [{ ...limit, name: key }] }).consume(),
    )
    expect(limiters.map(({ allowed }) => allowed)).toEqual(all(true))
    const limiter = new RateLimiter({ provider, key: 'callers', ...limit })
    const callers = await forAll((key) => limiter.consume({ key }))
    expect(callers.map(({ allowed }) => allowed)).toEqual(all(true))
    const again = await forAll((key) => limiter.consume({ key }))
    expect(again.map(({ allowed }) => allowed)).toEqual(all(false))
  })

  test('every breaker of such a key has its own state', async () => {
    const [first, ...others] = names.map(
      (key) => new CircuitBreaker({ stateProvider: provider, key }),
    )
    await first?.isolate()
    for (const other of others) expect(await other.execute(() => 'answer')).toBe('answer')
  })

  test('every value of such a key is cached for itself', async () => {
    const cache = new Cache({ provider, name: 'odd' })
    await forAll((key) => cache.get(key, () => `of ${key}`))
    const other = new Cache({ provider, name: 'odd', memory: false })
    const found = await forAll((key) => other.get(key, () => 'loaded again'))
    expect(found).toEqual(names.map((name) => `of ${name}`))
  })

  test('every task of such a name has its own checkpoints, and its own worker', async () => {
    const runs = await forAll((taskId) =>
      new Checkpointer(undefined, { provider, taskId }).run((cp) => cp.save(`of ${taskId}`)),
    )
    expect(runs).toHaveLength(names.length)
    const saved = await forAll((taskId) => provider.loadLatestCheckpoint(taskId))
    expect(saved.map((checkpoint) => checkpoint?.state)).toEqual(names.map((name) => `of ${name}`))
  })

  test('every election of such a key has its own leader', async () => {
    const everybody = deferred()
    let leaders = 0
    const led = await forAll((key) =>
      new LeaderElection(undefined, { provider, key }).run(async () => {
        if (++leaders === names.length) everybody.resolve()
        await everybody.promise
        return 'led'
      }),
    )
    expect(led).toEqual(all('led'))
  })
})
