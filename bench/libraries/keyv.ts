// keyv alone: a store behind one interface, without a loader.

import KeyvRedis from '@keyv/redis'
import { Keyv } from 'keyv'
import type { Library } from '../library.ts'

function caching(keyv: Keyv) {
  return {
    use: async (key: string, load: () => Promise<string>) => {
      const known = await keyv.get<string>(key)
      if (known !== undefined) return known
      const value = await load()
      await keyv.set(key, value, 60_000)
      return value
    },
    close: () => keyv.disconnect(),
  }
}

export const keyv: Library = {
  name: 'keyv',
  caches: {
    memory: () => caching(new Keyv()),
    redis: (url) => caching(new Keyv(new KeyvRedis(url))),
  },
}
