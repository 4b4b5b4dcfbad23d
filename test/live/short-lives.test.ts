// Short lives are kept to the millisecond: no store rounds them up to its seconds.

import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { exclusive, kept, SHORT } from '../../src/adapters/contract/requests.ts'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'

/** What PTTL answers for a key that is kept for ever. */
const FOREVER = -1
const own = `short_lives_${process.pid}`
const redis = new Redis(inject('redisUrl'))
const pool = new Pool({ connectionString: inject('databaseUrl') })
afterAll(async () => {
  await pool.query(`drop schema if exists ${own} cascade`)
  await pool.end()
  await redis.quit()
})

interface Kept {
  readonly name: string
  readonly adapter: RedisAdapter | PostgresAdapter
  /** For how many milliseconds more the server keeps each outcome and each limit. */
  left(): Promise<readonly number[]>
}

const stores: readonly Kept[] = [
  {
    name: 'Redis',
    adapter: new RedisAdapter(redis, { keyPrefix: `${own}:` }),
    left: async () => {
      const keys = await redis.keys(`${own}:*`)
      const left = await Promise.all(keys.map((key) => redis.pttl(key)))
      return left.map((ms) => (ms === FOREVER ? Number.POSITIVE_INFINITY : ms))
    },
  },
  {
    name: 'PostgreSQL',
    adapter: new PostgresAdapter(pool, { schema: own }),
    left: async () => {
      const { rows } = await pool.query(
        `select extract(epoch from expires_at - clock_timestamp()) * 1000 as left from ${own}.records`,
      )
      return rows.map((row) => Number(row.left))
    },
  },
]

describe.each(stores)('on $name', ({ adapter, left }) => {
  test('what lasts a tenth of a second is never kept for a second', async () => {
    const { rates, records, grants } = adapter
    await records.put(kept('kept', 'outcome', { ttl: SHORT }))
    const rules = [{ name: 'rule', interval: 50_000, burst: 2 }]
    const { standings } = await rates.consume({ limiter: 'kept', rules, cost: 2 })
    expect(standings[0]?.resetAfter).toBeLessThanOrEqual(SHORT)
    for (const ms of await left()) expect(ms).toBeLessThanOrEqual(SHORT)

    await grants.acquire(exclusive('kept', { ttl: SHORT }))
    const { holders } = await grants.inspect('kept')
    for (const { remaining } of holders) expect(remaining).toBeLessThanOrEqual(SHORT)
  })
})
