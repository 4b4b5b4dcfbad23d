import { scope, Lock } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'test-server'

const redis = new Redis(process.env.REDIS_URL)
const adapter = new RedisAdapter(redis, { keyPrefix: 'myapp:' })
await using s = scope()
// Create distributed lock with 30 second TTL
const lock = new Lock(s.signal, {
  provider: adapter,
  key: 'resource:user:123',
  ttl: 30000
})
// Acquire lock (blocks until available)
await using guard = await lock.acquire({ timeout: 5000 })
// Critical section - only one process can execute this
console.log('Lock acquired, performing operation...')
await performCriticalOperation()
// Lock automatically released when guard is disposed
