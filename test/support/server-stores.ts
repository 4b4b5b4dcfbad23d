// The stores on real servers, each below a name that nobody else uses, for tests that compare them with memory.

import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, inject } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'

export interface ServerStores {
  readonly Redis: RedisAdapter
  readonly PostgreSQL: PostgresAdapter
}

/** Opens them for the tests of one file, and closes them after the last. */
export function serverStores(name: string): ServerStores {
  const redis = new Redis(inject('redisUrl'))
  const pool = new Pool({ connectionString: inject('databaseUrl') })
  const schema = `${name}_${process.pid}`
  const stores = {
    Redis: new RedisAdapter(redis, { keyPrefix: `${schema}:` }),
    PostgreSQL: new PostgresAdapter(pool, { schema }),
  }
  afterAll(async () => {
    for (const store of Object.values(stores)) await store.disconnect()
    await pool.query(`drop schema ${schema} cascade`)
    await pool.end()
    await redis.quit()
  })
  return stores
}
