import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'test-server'

const redis = new Redis({
  host: 'localhost',
  port: 6379,
  password: process.env.REDIS_PASSWORD,
  db: 0
})
const adapter = new RedisAdapter(redis, {
  keyPrefix: 'myapp:' // Optional namespace
})
// Use for locks, circuit breakers, cache
await adapter.connect()
console.log('Connected:', adapter.isConnected())
