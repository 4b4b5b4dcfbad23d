// bentocache: memory and Redis tiers with a bus between processes.

import { BentoCache, bentostore } from 'bentocache'
import { memoryDriver } from 'bentocache/drivers/memory'
import { redisBusDriver, redisDriver } from 'bentocache/drivers/redis'
import { Redis } from 'ioredis'
import type { Library } from '../library.ts'

function caching(store: ReturnType<typeof bentostore>, close: () => unknown = () => {}) {
  const cache = new BentoCache({ default: 'store', stores: { store }, ttl: 60_000 })
  return {
    use: (key: string, load: () => Promise<string>) => cache.getOrSet({ key, factory: load }),
    close: async () => {
      await cache.disconnectAll()
      await close()
    },
  }
}

export const bentocache: Library = {
  name: 'bentocache',
  caches: {
    memory: () => caching(bentostore().useL1Layer(memoryDriver({ maxItems: 10_000 }))),
    redis: (url) => caching(bentostore().useL2Layer(redisDriver({ connection: new Redis(url) }))),
  },
  stampedes: {
    redis: (url) => {
      const { hostname: host, port } = new URL(url)
      const connection = { host, port: Number(port) }
      return caching(
        bentostore()
          .useL1Layer(memoryDriver({ maxItems: 10_000 }))
          .useL2Layer(redisDriver({ connection }))
          .useBus(redisBusDriver({ connection })),
      )
    },
  },
}
