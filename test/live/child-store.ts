// The store that a child program works on, of the kind that the test has chosen.

import type { BreakerProvider, RateLimitProvider } from 'holdfast'
import { PostgresAdapter } from 'holdfast/postgres'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { Pool } from 'pg'

/** Which store: for Redis `name` is a prefix, for PostgreSQL a schema. */
export interface StoreChoice {
  readonly kind: 'redis' | 'postgres'
  readonly url: string
  readonly name: string
}

export interface ChildStore {
  readonly provider: RateLimitProvider & BreakerProvider
  /** Milliseconds on the server's clock. */
  serverTime(): Promise<number>
  close(): Promise<void>
}

export async function openStore({ kind, url, name }: StoreChoice): Promise<ChildStore> {
  if (kind === 'redis') {
    const redis = new Redis(url)
    const provider = new RedisAdapter(redis, { keyPrefix: `${name}:` })
    await provider.connect()
    return {
      provider,
      serverTime: async () => {
        const [seconds, micros] = await redis.time()
        return Number(seconds) * 1_000 + Number(micros) / 1_000
      },
      close: async () => void (await redis.quit()),
    }
  }
  const pool = new Pool({ connectionString: url, max: 5 })
  const provider = new PostgresAdapter(pool, { schema: name })
  await provider.connect()
  return {
    provider,
    serverTime: async () => {
      const { rows } = await pool.query('select extract(epoch from clock_timestamp()) * 1000 as ms')
      return Number(rows[0].ms)
    },
    close: () => pool.end(),
  }
}
