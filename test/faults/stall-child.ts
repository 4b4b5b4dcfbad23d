// Blocks its event loop for longer than its lock's ttl, then asks its guard what it believes.

import { Lock } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { argument, hear, tell } from '../support/parent.ts'

const { url, keyPrefix } = argument<{ url: string; keyPrefix: string }>()
const redis = new Redis(url)
const provider = new RedisAdapter(redis, { keyPrefix })
const lock = new Lock(undefined, { provider, key: 'stalled', ttl: 400 })
const guard = await lock.acquire()
tell('held', { token: guard.fencingToken })
await hear('stall')

const until = performance.now() + 1_200
while (performance.now() < until);

// Synchronously after the stall: no timer and no message had a chance to tell.
let thrown: unknown
try {
  guard.assertHeld()
} catch (error) {
  thrown = error
}
const { code } = (thrown ?? {}) as { code?: string }
tell('woken', {
  code,
  held: guard.held,
  aborted: guard.signal.aborted,
  remaining: guard.remaining(),
})
await hear('release')
tell('released', { ...(await guard.release()) })
await redis.quit()
