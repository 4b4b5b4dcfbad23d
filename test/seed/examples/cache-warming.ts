import { CacheWarmer, scope } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'test-server'

const redis = new Redis()
const cacheProvider = new RedisAdapter(redis)
await using s = scope()
const cacheWarmer = new CacheWarmer(s, cacheProvider, {
  defaultTTL: 60000,
  defaultRefreshThreshold: 0.2,
  checkInterval: 10000
})
// Register warmed cache entry
const userCache = cacheWarmer.register('user:123', {
  fetcher: async () => {
    const [err, user] = await s.task(() =>
      db.query('SELECT * FROM users WHERE id = ?', [123])
    )
    if (err) throw err
    return user[0]
  },
  ttl: 60000,
  refreshThreshold: 0.2, // Refresh at 80% TTL
  backgroundRefresh: true,
  onRefresh: (user) => console.log('User cache refreshed:', user.id),
  onError: (err) => console.error('Cache refresh error:', err)
})
// Get from cache (auto-refreshes if stale)
const [err, user] = await userCache.get()
console.log('User:', user)
