// cacheable on keyv: memory and Redis tiers.

import KeyvRedis from '@keyv/redis'
import { Cacheable } from 'cacheable'
import type { Library } from '../library.ts'

function caching(cache: Cacheable) {
  return {
    use: (key: string, load: () => Promise<string>) => cache.getOrSet(key, load, { ttl: 60_000 }),
    close: () => cache.disconnect(),
  }
}

export const cacheable: Library = {
  name: 'cacheable',
  caches: {
    memory: () => caching(new Cacheable()),
    redis: (url) => caching(new Cacheable({ primary: new KeyvRedis(url) })),
  },
  stampedes: { redis: (url) => caching(new Cacheable({ secondary: new KeyvRedis(url) })) },
}
