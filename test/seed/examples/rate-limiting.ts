import { scope, Semaphore } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'test-server'

const redis = new Redis()
const adapter = new RedisAdapter(redis)
// Distributed semaphore limiting API calls across all instances
const apiSemaphore = new Semaphore(100, {
  provider: adapter,
  key: 'ratelimit:api'
})
await using s = scope()
const [err, result] = await s.task(
  async ({ signal }) => {
    // Acquire permit (blocks if limit reached globally)
    await using permit = await apiSemaphore.acquire(signal)
    // Make API call
    return await fetch('https://api.example.com/data')
  },
  { timeout: 10000 }
)
await Promise.all(Array.from({ length: 80 }, () => s.task(async ({ signal }) => { await using _ = await apiSemaphore.acquire(signal); await fetch('https://api.example.com/more') })))
