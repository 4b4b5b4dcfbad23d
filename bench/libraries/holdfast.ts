// Ours, imported by its name as an application does.

import {
  Cache,
  CircuitBreaker,
  type Lock as HoldfastLock,
  Lock,
  RateLimiter,
  Semaphore,
} from 'holdfast'
import * as express from 'holdfast/express'
import * as hono from 'holdfast/hono'
import { PostgresAdapter } from 'holdfast/postgres'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { type Acquire, type Library, OURS, RATE_LIMIT, RATE_WINDOW } from '../library.ts'

async function onRedis(url: string) {
  const redis = new Redis(url)
  const provider = new RedisAdapter(redis)
  await provider.connect()
  const close = async (): Promise<void> => {
    await provider.disconnect()
    await redis.quit()
  }
  return { provider, close }
}

async function onPostgres(url: string) {
  const pool = new Pool({ connectionString: url, max: 10 })
  const provider = new PostgresAdapter(pool)
  await provider.connect()
  const close = async (): Promise<void> => {
    await provider.disconnect()
    await pool.end()
  }
  return { provider, close }
}

const acquiring =
  (primitive: HoldfastLock | Semaphore): Acquire =>
  async () => {
    const guard = await primitive.acquire()
    return () => guard.release()
  }

const limits = { limit: RATE_LIMIT, window: RATE_WINDOW }

export const holdfast: Library = {
  name: OURS,
  locks: {
    memory: () => ({ use: (key) => acquiring(new Lock(undefined, { key })), close: () => {} }),
    redis: async (url) => {
      const { provider, close } = await onRedis(url)
      return { use: (key) => acquiring(new Lock(undefined, { provider, key })), close }
    },
    postgres: async (url) => {
      const { provider, close } = await onPostgres(url)
      return { use: (key) => acquiring(new Lock(undefined, { provider, key })), close }
    },
  },
  semaphores: {
    redis: async (url) => {
      const { provider, close } = await onRedis(url)
      return { use: (key, limit) => acquiring(new Semaphore(limit, { provider, key })), close }
    },
  },
  limiters: {
    memory: () => {
      const limiter = new RateLimiter({ key: 'bench', ...limits })
      return { use: (key) => limiter.consume({ key }), close: () => {} }
    },
    redis: async (url) => {
      const { provider, close } = await onRedis(url)
      const limiter = new RateLimiter({ provider, key: 'bench', ...limits })
      return { use: (key) => limiter.consume({ key }), close }
    },
    postgres: async (url) => {
      const { provider, close } = await onPostgres(url)
      const limiter = new RateLimiter({ provider, key: 'bench', ...limits })
      return { use: (key) => limiter.consume({ key }), close }
    },
  },
  breakers: {
    memory: () => {
      const breaker = new CircuitBreaker()
      return { use: (work) => breaker.execute(work), close: () => {} }
    },
    redis: async (url) => {
      const { provider, close } = await onRedis(url)
      const breaker = new CircuitBreaker({ stateProvider: provider, key: 'bench' })
      return { use: (work) => breaker.execute(work), close }
    },
  },
  caches: {
    memory: () => {
      const cache = new Cache({ name: 'bench', ttl: 60_000 })
      return { use: (key, load) => cache.get(key, load), close: () => {} }
    },
    redis: async (url) => {
      const { provider, close } = await onRedis(url)
      const cache = new Cache({ provider, name: 'bench', ttl: 60_000, memory: false })
      return { use: (key, load) => cache.get(key, load), close }
    },
  },
  stampedes: {
    redis: async (url) => {
      const { provider, close } = await onRedis(url)
      const cache = new Cache({ provider, name: 'bench', ttl: 60_000 })
      return { use: (key, load) => cache.get(key, load), close }
    },
  },
  idempotency: {
    express: async (url) => {
      const { provider, close } = await onRedis(url)
      return { use: express.idempotency({ provider }), close }
    },
    hono: async (url) => {
      const { provider, close } = await onRedis(url)
      return { use: hono.idempotency({ provider }), close }
    },
  },
  rateLimits: {
    memory: {
      express: () => ({ use: express.rateLimit(limits), close: () => {} }),
      hono: () => ({ use: hono.rateLimit(limits), close: () => {} }),
    },
    redis: {
      express: async (url) => {
        const { provider, close } = await onRedis(url)
        return { use: express.rateLimit({ provider, ...limits }), close }
      },
      hono: async (url) => {
        const { provider, close } = await onRedis(url)
        return { use: hono.rateLimit({ provider, ...limits }), close }
      },
    },
  },
}
