// A store on a real server, opened by a child program from what its test says of it.

import { PostgresAdapter } from 'holdfast/postgres'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { Pool } from 'pg'

/** Where a store is; survives JSON. */
export interface StoreAt {
  readonly kind: 'redis' | 'postgres'
  readonly url: string
  /** A name that nobody else uses: the prefix of keys, or the schema. */
  readonly name: string
}

export interface OpenStore {
  readonly provider: RedisAdapter | PostgresAdapter
  /** Milliseconds on the server's clock. */
  serverTime(): Promise<number>
  /** Closes the client, and the adapter with it. */
  close(): Promise<void>
}

export function openStore({ kind, url, name }: StoreAt): OpenStore {
  // A client without a listener would end its process, or log, when the test takes the connection away.
  if (kind === 'redis') {
    const redis = new Redis(url).on('error', () => {})
    const provider = new RedisAdapter(redis, { keyPrefix: `${name}:` })
    const serverTime = async (): Promise<number> => {
      const [seconds, micros] = await redis.time()
      return Number(seconds) * 1_000 + Number(micros) / 1_000
    }
    return { provider, serverTime, close: async () => redis.disconnect() }
  }
  const pool = new Pool({ connectionString: url, max: 4 }).on('error', () => {})
  const provider = new PostgresAdapter(pool, { schema: name })
  const serverTime = async (): Promise<number> => {
    const { rows } = await pool.query('select extract(epoch from clock_timestamp()) * 1000 as ms')
    return Number(rows[0].ms)
  }
  return { provider, serverTime, close: () => pool.end() }
}
