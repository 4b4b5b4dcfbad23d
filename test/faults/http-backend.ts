// The store of a service that is killed, and what its handlers leave behind outside of it: how often each has run.

import type { Adapter } from 'holdfast'

/** Where a service keeps its records, and where it counts. */
export interface Place {
  readonly store: 'redis' | 'postgres'
  readonly url: string
  /** A word of this test's own, for what it keeps there: a prefix of keys, or a schema. */
  readonly name: string
}

export interface Backend {
  readonly provider: Adapter
  /** Counts a run, and answers how many there were. */
  count(key: string): Promise<number>
  /** Makes the place where runs are counted, once. */
  prepare(): Promise<unknown>
  /** Deletes everything that was kept. */
  clear(): Promise<unknown>
  /** How often each key has run. */
  counts(): Promise<Map<string, number>>
  close(): Promise<unknown>
}

/** Connects to one; a driver is loaded where it is used, because the program starts hundreds of times. */
export async function openBackend({ store, url, name }: Place): Promise<Backend> {
  if (store === 'redis') {
    const [{ Redis }, { RedisAdapter }] = await Promise.all([
      import('ioredis'),
      import('holdfast/redis'),
    ])
    const redis = new Redis(url)
    const runs = `${name}:runs`
    return {
      provider: new RedisAdapter(redis, { keyPrefix: `${name}:` }),
      count: (key) => redis.hincrby(runs, key, 1),
      counts: async () =>
        new Map(Object.entries(await redis.hgetall(runs)).map(([key, n]) => [key, Number(n)])),
      prepare: async () => {},
      clear: async () => {
        const keys = await redis.keys(`${name}:*`)
        if (keys.length > 0) await redis.del(...keys)
      },
      close: () => redis.quit(),
    }
  }
  const [{ default: pg }, { PostgresAdapter }] = await Promise.all([
    import('pg'),
    import('holdfast/postgres'),
  ])
  const pool = new pg.Pool({ connectionString: url, max: 4 })
  // A server that ends while a connection is idle is no business of the test.
  pool.on('error', () => {})
  return {
    provider: new PostgresAdapter(pool, { schema: name }),
    count: async (key) => {
      const { rows } = await pool.query(
        `insert into ${name}.runs as r (key, n) values ($1, 1)
          on conflict (key) do update set n = r.n + 1 returning n`,
        [key],
      )
      return rows[0].n
    },
    counts: async () => {
      const { rows } = await pool.query(`select key, n from ${name}.runs`)
      return new Map(rows.map(({ key, n }) => [key, n]))
    },
    prepare: async () => {
      await pool.query(`create schema if not exists ${name}`)
      await pool.query(`create table ${name}.runs (key text primary key, n int not null)`)
    },
    clear: () => pool.query(`drop schema ${name} cascade`),
    close: () => pool.end(),
  }
}
