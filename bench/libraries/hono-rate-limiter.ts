// hono-rate-limiter: fixed windows.

import { getConnInfo } from '@hono/node-server/conninfo'
import type { Env } from 'hono'
import {
  type HonoConfigType,
  MemoryStore,
  RedisStore,
  rateLimiter,
  type Store,
} from 'hono-rate-limiter'
import { Redis } from 'ioredis'
import { type Library, RATE_LIMIT, RATE_WINDOW } from '../library.ts'

function onRedis(url: string): { store: RedisStore; close(): unknown } {
  const redis = new Redis(url)
  const store = new RedisStore({
    client: {
      scriptLoad: (script) => redis.script('LOAD', script) as Promise<string>,
      evalsha: (sha, keys, args) =>
        redis.evalsha(sha, keys.length, ...keys, ...(args as string[])) as never,
      decr: (key) => redis.decr(key),
      del: (key) => redis.del(key),
    },
  })
  return { store, close: () => redis.quit() }
}

const middleware = (store: Store) =>
  rateLimiter({
    limit: RATE_LIMIT,
    windowMs: RATE_WINDOW,
    standardHeaders: 'draft-7',
    keyGenerator: (c) => getConnInfo(c).remote.address ?? '',
    store,
  })

export const honoRateLimiter: Library = {
  name: 'hono-rate-limiter',
  limiters: {
    memory: () => {
      const store = new MemoryStore()
      store.init({ windowMs: RATE_WINDOW } as HonoConfigType<Env>)
      return { use: (key) => store.increment(key), close: () => store.shutdown() }
    },
    redis: (url) => {
      const { store, close } = onRedis(url)
      store.init({ windowMs: RATE_WINDOW } as HonoConfigType<Env>)
      return { use: (key) => store.increment(key), close }
    },
  },
  rateLimits: {
    memory: {
      hono: () => {
        const store = new MemoryStore()
        return { use: middleware(store), close: () => store.shutdown() }
      },
    },
    redis: {
      hono: (url) => {
        const { store, close } = onRedis(url)
        return { use: middleware(store), close }
      },
    },
  },
}
