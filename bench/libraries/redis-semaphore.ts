// redis-semaphore: SET NX and sorted sets with polling.

import { Redis } from 'ioredis'
import { Mutex, Semaphore } from 'redis-semaphore'
import { type Library, LOCK_TTL } from '../library.ts'

const options = { lockTimeout: LOCK_TTL, acquireTimeout: 120_000 }

export const redisSemaphore: Library = {
  name: 'redis-semaphore',
  locks: {
    redis: (url) => {
      const redis = new Redis(url)
      return {
        use: (key) => async () => {
          const mutex = new Mutex(redis, key, options)
          await mutex.acquire()
          return () => mutex.release()
        },
        close: () => redis.quit(),
      }
    },
  },
  semaphores: {
    redis: (url) => {
      const redis = new Redis(url)
      return {
        use: (key, limit) => async () => {
          const semaphore = new Semaphore(redis, key, limit, options)
          await semaphore.acquire()
          return () => semaphore.release()
        },
        close: () => redis.quit(),
      }
    },
  },
}
