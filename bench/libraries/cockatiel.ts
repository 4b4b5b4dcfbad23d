// cockatiel: a breaker of one process.

import { ConsecutiveBreaker, circuitBreaker, handleAll } from 'cockatiel'
import type { Library } from '../library.ts'

export const cockatiel: Library = {
  name: 'cockatiel',
  breakers: {
    memory: () => {
      const breaker = circuitBreaker(handleAll, {
        halfOpenAfter: 30_000,
        breaker: new ConsecutiveBreaker(5),
      })
      return { use: (work) => breaker.execute(work), close: () => {} }
    },
  },
}
