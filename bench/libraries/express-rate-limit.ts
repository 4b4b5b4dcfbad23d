// express-rate-limit, with rate-limit-redis: fixed windows.

import { MemoryStore, type Options, rateLimit, type Store } from 'express-rate-limit'
import { Redis } from 'ioredis'
import { RedisStore } from 'rate-limit-redis'
import { type Library, RATE_LIMIT, RATE_WINDOW } from '../library.ts'

function onRedis(url: string): { store: RedisStore; close(): unknown } {
  const redis = new Redis(url)
  const store = new RedisStore({
    sendCommand: (command: string, ...args: string[]) => redis.call(command, ...args) as never,
  })
  return { store, close: () => redis.quit() }
}

const middleware = (store: Store) =>
  rateLimit({ limit: RATE_LIMIT, windowMs: RATE_WINDOW, standardHeaders: 'draft-8', store })

export const expressRateLimit: Library = {
  name: 'express-rate-limit',
  limiters: {
    memory: () => {
      const store = new MemoryStore()
      store.init({ windowMs: RATE_WINDOW } as Options)
      return { use: (key) => store.increment(key), close: () => store.shutdown() }
    },
    redis: async (url) => {
      const { store, close } = onRedis(url)
      await store.init({ windowMs: RATE_WINDOW } as Options)
      return { use: (key) => store.increment(key), close }
    },
  },
  rateLimits: {
    memory: {
      express: () => {
        const store = new MemoryStore()
        return { use: middleware(store), close: () => store.shutdown() }
      },
    },
    redis: {
      express: (url) => {
        const { store, close } = onRedis(url)
        return { use: middleware(store), close }
      },
    },
  },
}
