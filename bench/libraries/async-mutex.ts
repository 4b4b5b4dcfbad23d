// async-mutex: a queue in memory.

import { Mutex } from 'async-mutex'
import type { Library } from '../library.ts'

export const asyncMutex: Library = {
  name: 'async-mutex',
  locks: {
    memory: () => ({
      use: () => {
        const mutex = new Mutex()
        return () => mutex.acquire()
      },
      close: () => {},
    }),
  },
}
