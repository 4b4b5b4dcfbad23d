// redlock 5: SET NX with polling, on one node here.

import { Redis } from 'ioredis'
import Redlock from 'redlock'
import type { Acquire } from '../library.ts'
import { type Library, LOCK_TTL, type Open } from '../library.ts'

const on =
  (settings: {
    readonly retryDelay?: number
    readonly retryJitter?: number
  }): Open<(key: string) => Acquire> =>
  (url) => {
    const redis = new Redis(url)
    const redlock = new Redlock([redis], { retryCount: -1, ...settings })
    return {
      use: (key) => async () => {
        const lock = await redlock.acquire([`redlock:${key}`], LOCK_TTL)
        return () => lock.release()
      },
      close: () => redis.quit(),
    }
  }

export const redlock: Library = { name: 'redlock', locks: { redis: on({}) } }

export const eager: Library = {
  name: 'redlock (polls every 10 ms)',
  waitsOnly: true,
  locks: { redis: on({ retryDelay: 10, retryJitter: 5 }) },
}
