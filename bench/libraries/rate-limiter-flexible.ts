// rate-limiter-flexible: fixed windows.

import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { RateLimiterMemory, RateLimiterPostgres, RateLimiterRedis } from 'rate-limiter-flexible'
import { type Library, RATE_LIMIT, RATE_WINDOW } from '../library.ts'

const limits = { points: RATE_LIMIT, duration: RATE_WINDOW / 1_000 }

export const rateLimiterFlexible: Library = {
  name: 'rate-limiter-flexible',
  limiters: {
    memory: () => {
      const limiter = new RateLimiterMemory(limits)
      return { use: (key) => limiter.consume(key), close: () => {} }
    },
    redis: (url) => {
      const redis = new Redis(url)
      const limiter = new RateLimiterRedis({ storeClient: redis, ...limits })
      return { use: (key) => limiter.consume(key), close: () => redis.quit() }
    },
    postgres: async (url) => {
      const pool = new Pool({ connectionString: url, max: 10 })
      const limiter = await new Promise<RateLimiterPostgres>((resolve, reject) => {
        const made: RateLimiterPostgres = new RateLimiterPostgres(
          { storeClient: pool, tableName: 'flexible', clearExpiredByTimeout: false, ...limits },
          (error) => (error ? reject(error) : resolve(made)),
        )
      })
      return { use: (key) => limiter.consume(key), close: () => pool.end() }
    },
  },
}
