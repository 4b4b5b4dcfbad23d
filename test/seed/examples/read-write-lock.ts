import { scope, Lock } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'test-server'

const redis = new Redis()
const adapter = new RedisAdapter(redis)
await using s = scope()
// Create read-write lock
const rwlock = new Lock(s.signal, {
  provider: adapter,
  key: 'config:app-settings',
  ttl: 30000,
  allowMultipleReaders: true // Enable read-write mode
})
// Multiple readers can acquire simultaneously
await using readGuard1 = await rwlock.read()
await using readGuard2 = await rwlock.read()
await using readGuard3 = await rwlock.read()
const config = await loadConfig()
console.log('Config:', config)
// Write lock is exclusive
await using writeGuard = await rwlock.write({ timeout: 5000 })
await updateConfig({ theme: 'dark' })
