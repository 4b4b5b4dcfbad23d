// The reference for hand-offs: SET NX whose release also publishes, one candidate per process at a time; not fair.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { Redis } from 'ioredis'
import { type Library, LOCK_TTL } from '../library.ts'

const RELEASE = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return redis.call('PUBLISH', KEYS[1], '')`

let tokens = 0

export const publishingLock: Library = {
  name: 'a release that publishes',
  waitsOnly: true,
  locks: {
    redis: async (url) => {
      const redis = new Redis(url)
      const subscriber = new Redis(url, { enableReadyCheck: false })
      subscriber.setMaxListeners(0)
      await redis.script('LOAD', RELEASE)
      const release = createHash('sha1').update(RELEASE).digest('hex')
      return {
        use: (name) => {
          const key = `publishing:${name}`
          const ready = subscriber.subscribe(key)
          let last: Promise<void> = Promise.resolve()
          return async () => {
            let next = (): void => {}
            const previous = last
            last = new Promise((resolve) => {
              next = resolve
            })
            await previous
            await ready
            const token = `${process.pid}:${++tokens}`
            for (;;) {
              const published = new AbortController()
              const freed = once(subscriber, 'message', { signal: published.signal })
              freed.catch(() => {})
              if ((await redis.set(key, token, 'PX', LOCK_TTL, 'NX')) === 'OK') {
                published.abort()
                break
              }
              await freed
            }
            return async () => {
              await redis.evalsha(release, 1, key, token)
              next()
            }
          }
        },
        close: async () => {
          await subscriber.quit()
          await redis.quit()
        },
      }
    },
  },
}
