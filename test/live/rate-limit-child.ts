// Asks for as much as a shared rate limit gives, and tells when the server admitted it.

import { RateLimiter } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { argument, hear, tell } from '../support/parent.ts'

const { url, keyPrefix } = argument<{ url: string; keyPrefix: string }>()
const redis = new Redis(url)
const provider = new RedisAdapter(redis, { keyPrefix })
const limiter = new RateLimiter({ provider, key: 'shared', limit: 100, window: 1_000, burst: 100 })
await provider.connect()

/** Milliseconds on the server's clock. */
async function serverTime(): Promise<number> {
  const [seconds, micros] = await redis.time()
  return Number(seconds) * 1_000 + Number(micros) / 1_000
}

tell('ready')
const { until } = await hear<{ type: string; until: number }>('go')
const admitted: [after: number, before: number][] = []
let asked = 0
await Promise.all(
  Array.from({ length: 4 }, async () => {
    while (Date.now() < until) {
      const after = await serverTime()
      const { allowed, retryAfter } = await limiter.consume()
      asked++
      if (allowed) admitted.push([after, await serverTime()])
      else await new Promise((resolve) => setTimeout(resolve, Math.min(retryAfter, 5)))
    }
  }),
)
tell('done', { admitted, asked })
await redis.quit()
