// opossum: a breaker of one process.

import CircuitBreaker from 'opossum'
import type { Library } from '../library.ts'

export const opossum: Library = {
  name: 'opossum',
  breakers: {
    memory: () => {
      const breaker = new CircuitBreaker((work: () => Promise<void>) => work(), { timeout: false })
      return { use: (work) => breaker.fire(work), close: () => breaker.shutdown() }
    },
  },
}
