// What every operation costs that nobody contends for: round trips, counted on their way into each server.

import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import {
  Cache,
  Checkpointer,
  CircuitBreaker,
  Idempotency,
  Lock,
  RateLimiter,
  Semaphore,
} from '../../src/index.ts'
import { countStatements } from '../support/postgres-statements.ts'
import { countCommands } from '../support/redis-commands.ts'

interface CountedStore {
  readonly provider: RedisAdapter | PostgresAdapter
  readonly count: (work: () => Promise<unknown>) => Promise<number>
  readonly close: () => Promise<void>
}

async function countedRedis(): Promise<CountedStore> {
  const url = inject('redisUrl')
  const redis = new Redis(url)
  const provider = new RedisAdapter(redis, { keyPrefix: `uncontended-${process.pid}:` })
  return {
    provider,
    count: async (work) => {
      const ours = { where: ({ client }: { client?: string }) => client?.startsWith('holdfast') }
      return (await countCommands(url, work, ours as never)).length
    },
    close: async () => {
      await provider.disconnect()
      await redis.quit()
    },
  }
}

async function countedPostgres(): Promise<CountedStore> {
  const way = await countStatements(inject('databaseUrl'))
  const schema = `uncontended_${process.pid}`
  const pool = new Pool({ connectionString: way.url })
  const provider = new PostgresAdapter(pool, { schema })
  return {
    provider,
    count: way.count,
    close: async () => {
      await provider.disconnect()
      await pool.query(`drop schema ${schema} cascade`)
      await pool.end()
      await way[Symbol.asyncDispose]()
    },
  }
}

describe.each([
  ['Redis', countedRedis],
  ['PostgreSQL', countedPostgres],
] as const)('over %s', (_store, open) => {
  let provider: CountedStore['provider']
  let count: CountedStore['count']
  let close: CountedStore['close']
  beforeAll(async () => {
    ;({ provider, count, close } = await open())
    await provider.connect()
  })
  afterAll(() => close())

  /** How many round trips `work` costs once connections, subscriptions and scripts are there. */
  async function cost(work: () => Promise<unknown>): Promise<number> {
    await work()
    return count(work)
  }

  test('a lock is acquired, renewed and released by one each', async () => {
    const lock = new Lock(undefined, { provider, key: 'lock' })
    let held = await lock.acquire()
    expect(await cost(() => held.extend(20_000))).toBe(1)
    await held.release()
    await (await lock.acquire()).release()
    expect(
      await count(async () => {
        held = await lock.acquire()
      }),
    ).toBe(1)
    expect(await count(() => held.release())).toBe(1)
  })

  test('readers, writers and permits cost what a lock does', async () => {
    const lock = new Lock(undefined, { provider, key: 'shared', allowMultipleReaders: true })
    expect(await cost(async () => (await lock.read()).release())).toBe(2)
    expect(await cost(async () => (await lock.write()).release())).toBe(2)
    const semaphore = new Semaphore(3, { provider, key: 'permits' })
    expect(await cost(async () => (await semaphore.acquire({ permits: 2 })).release())).toBe(2)
  })

  test('an idempotent call begins by one and completes by one, and is replayed by one', async () => {
    const idempotency = new Idempotency({ provider })
    let calls = 0
    expect(await cost(() => idempotency.run(`call ${++calls}`, () => 1))).toBe(2)
    expect(await count(() => idempotency.run('call 1', () => 1))).toBe(1)
  })

  test('a checkpoint is saved by one, and read by one', async () => {
    let sequence = 0
    const save = () =>
      provider.saveCheckpoint({ taskId: 'bare', sequence: ++sequence, timestamp: 0, state: 1 })
    expect(await cost(save)).toBe(1)
    expect(await cost(() => provider.loadLatestCheckpoint('bare'))).toBe(1)
    const task = new Checkpointer(undefined, { provider, taskId: 'task' })
    await task.run(async (run) => {
      expect(await cost(() => run.save('state'))).toBe(1)
    })
  })

  test('a rate limit is asked by one; while it is known to be exhausted, by none', async () => {
    const limiter = new RateLimiter({ provider, key: 'rate', limit: 3, window: 600_000 })
    expect(await cost(() => limiter.consume())).toBe(1)
    expect(await cost(() => limiter.consume())).toBe(1)
    // It is asked once more for every second that this takes.
    await expect.poll(() => count(() => limiter.consume())).toBe(0)
  })

  test('calls through a closed breaker make none: what is reported is reported for all of them', async () => {
    const breaker = new CircuitBreaker({ stateProvider: provider, key: 'breaker' })
    const called = async () => {
      for (let calls = 0; calls < 1_000; calls++) await breaker.execute(async () => calls)
    }
    const began = performance.now()
    const round = await cost(called)
    // One report every 100 ms, and a subscription that may only now be under way.
    expect(round).toBeLessThanOrEqual((performance.now() - began) / 100 + 4)
  })

  test('a cached value is read by one from the store, and from memory by none', async () => {
    const options = { provider, name: 'cached', ttl: 600_000 }
    const near = new Cache(options)
    const far = new Cache({ ...options, memory: false })
    const read = (cache: Cache) => () => cache.get('key', () => 'value')
    // Once it listens for changes, it remembers what it has read.
    await expect.poll(() => count(read(far))).toBe(1)
    await expect.poll(() => count(read(near))).toBe(0)
  })
})
