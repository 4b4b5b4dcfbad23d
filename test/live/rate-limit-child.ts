// Asks for as much as a shared rate limit gives, and tells when the server admitted it.

import { RateLimiter } from 'holdfast'
import { argument, hear, tell } from '../support/parent.ts'
import { openStore, type StoreAt } from '../support/server-store.ts'

const { provider, serverTime, close } = openStore(argument<StoreAt>())
const limiter = new RateLimiter({ provider, key: 'shared', limit: 100, window: 1_000, burst: 100 })

await provider.connect()
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
await close()
