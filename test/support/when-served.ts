// Calls as a caller makes them that asks again when the store was away.

import { isStoreUnavailableError, type Lock, type LockGuard } from '../../src/index.ts'

/** Calls until the store is there; any other failure is one. */
export async function whenServed<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!isStoreUnavailableError(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}

export const acquireWhenServed = (lock: Lock): Promise<LockGuard> =>
  whenServed(() => lock.acquire({ timeout: 30_000 }))
