// The floors: the least that any implementation could do, on the same clients and servers.

import { createHash } from 'node:crypto'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { FLOOR, type Library, LOCK_TTL, RATE_LIMIT, RATE_WINDOW } from '../library.ts'

const COMPARE_AND_DELETE =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
const COUNT = `local used = redis.call('INCR', KEYS[1])
if used == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return { used <= tonumber(ARGV[1]) and 1 or 0, used, redis.call('PTTL', KEYS[1]) }`

const sha = (script: string): string => createHash('sha1').update(script).digest('hex')

let tokens = 0

async function onRedis(url: string) {
  const redis = new Redis(url)
  await redis.script('LOAD', COMPARE_AND_DELETE)
  const release = sha(COMPARE_AND_DELETE)
  const take = async (key: string, token: string) => {
    if ((await redis.set(key, token, 'PX', LOCK_TTL, 'NX')) !== 'OK') {
      throw new Error('Expected the lock to be free')
    }
    return () => redis.evalsha(release, 1, key, token)
  }
  return { take, close: () => redis.quit() }
}

export const floor: Library = {
  name: FLOOR,
  locks: {
    memory: () => ({
      use: () => {
        let last: Promise<void> = Promise.resolve()
        return async () => {
          let release = (): void => {}
          const previous = last
          last = new Promise((resolve) => {
            release = resolve
          })
          await previous
          return release
        }
      },
      close: () => {},
    }),
    // SET NX PX, then compare-and-delete; it does not wait for a lock that is held.
    redis: async (url) => {
      const { take, close } = await onRedis(url)
      return { use: (key) => () => take(`floor:${key}`, `${++tokens}`), close }
    },
    // Two autocommit upserts of one row.
    postgres: async (url) => {
      const pool = new Pool({ connectionString: url, max: 10 })
      await pool.query(
        'create table if not exists floor_locks (key text primary key, token bigint, expiry timestamptz)',
      )
      const take = {
        name: 'floor-take',
        text: `insert into floor_locks values ($1, 1, clock_timestamp() + interval '30 s')
          on conflict (key) do update set token = floor_locks.token + 1, expiry = excluded.expiry
          where floor_locks.expiry < clock_timestamp() returning token`,
      }
      const release = {
        name: 'floor-release',
        text: `insert into floor_locks values ($1, 1, '-infinity')
          on conflict (key) do update set expiry = '-infinity' where floor_locks.token = $2`,
      }
      return {
        use: (key) => async () => {
          const { rows } = await pool.query({ ...take, values: [key] })
          const [row] = rows as { token: string }[]
          if (!row) throw new Error('Expected the lock to be free')
          return () => pool.query({ ...release, values: [key, row.token] })
        },
        close: () => pool.end(),
      }
    },
  },
  // The same, as if every permit were a lock of its own.
  semaphores: {
    redis: async (url) => {
      const { take, close } = await onRedis(url)
      return {
        use: (key) => () => {
          const token = `${++tokens}`
          return take(`floor:${key}:${token}`, token)
        },
        close,
      }
    },
  },
  limiters: {
    memory: () => {
      const used = new Map<string, { count: number; until: number }>()
      return {
        use: async (key) => {
          const now = Date.now()
          const known = used.get(key)
          if (known && known.until > now) return ++known.count <= RATE_LIMIT
          used.set(key, { count: 1, until: now + RATE_WINDOW })
          return true
        },
        close: () => {},
      }
    },
    redis: async (url) => {
      const redis = new Redis(url)
      await redis.script('LOAD', COUNT)
      const count = sha(COUNT)
      return {
        use: (key) => redis.evalsha(count, 1, `floor:rate:${key}`, RATE_LIMIT, RATE_WINDOW),
        close: () => redis.quit(),
      }
    },
    postgres: async (url) => {
      const pool = new Pool({ connectionString: url, max: 10 })
      await pool.query(
        'create table if not exists floor_rates (key text primary key, used bigint, until timestamptz)',
      )
      const count = {
        name: 'floor-count',
        text: `insert into floor_rates values ($1, 1, clock_timestamp() + interval '60 s')
          on conflict (key) do update set
            used = case when floor_rates.until > clock_timestamp() then floor_rates.used + 1 else 1 end,
            until = case when floor_rates.until > clock_timestamp() then floor_rates.until else excluded.until end
          returning used, until`,
      }
      return { use: (key) => pool.query({ ...count, values: [key] }), close: () => pool.end() }
    },
  },
  breakers: { memory: () => ({ use: (work) => work(), close: () => {} }) },
  caches: {
    memory: () => {
      const values = new Map<string, string>()
      return {
        use: async (key, load) => {
          const known = values.get(key)
          if (known !== undefined) return known
          const value = await load()
          values.set(key, value)
          return value
        },
        close: () => {},
      }
    },
    redis: (url) => {
      const redis = new Redis(url)
      return {
        use: async (key, load) => {
          const known = await redis.get(`floor:cache:${key}`)
          if (known !== null) return known
          const value = await load()
          await redis.set(`floor:cache:${key}`, value, 'PX', 60_000)
          return value
        },
        close: () => redis.quit(),
      }
    },
  },
  // The raw server.
  idempotency: {
    express: () => ({ use: (_req, _res, next) => next(), close: () => {} }),
    hono: () => ({ use: (_c, next) => next(), close: () => {} }),
  },
  rateLimits: {
    memory: {
      express: () => ({ use: (_req, _res, next) => next(), close: () => {} }),
      hono: () => ({ use: (_c, next) => next(), close: () => {} }),
    },
    redis: {
      express: () => ({ use: (_req, _res, next) => next(), close: () => {} }),
      hono: () => ({ use: (_c, next) => next(), close: () => {} }),
    },
  },
}
