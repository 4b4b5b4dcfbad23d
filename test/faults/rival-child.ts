// Holds and releases locks on Redis, one after the other, until told to stop.

import { Lock } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { argument, hear, tell } from '../support/parent.ts'

const { url, keyPrefix, keys } = argument<{ url: string; keyPrefix: string; keys: string[] }>()
const redis = new Redis(url)
const provider = new RedisAdapter(redis, { keyPrefix })
const locks = keys.map((key) => new Lock(undefined, { provider, key }))

let stopped = false
void hear('stop').then(() => {
  stopped = true
})
await provider.connect()
tell('ready')
let rounds = 0
await Promise.all(
  locks.map(async (lock) => {
    while (!stopped) {
      await lock.run(() => new Promise((resolve) => setTimeout(resolve, 2)))
      rounds++
    }
  }),
)
tell('rounds', { rounds })
await redis.quit()
