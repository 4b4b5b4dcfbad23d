// Waits until something seen from outside becomes true, or says what never did.

import { setTimeout as sleep } from 'node:timers/promises'

export interface EventuallyOptions {
  /** What is waited for, as the error message should say it. */
  readonly what?: string
  /** @defaultValue 5_000 */
  readonly within?: number
  /** @defaultValue 10 */
  readonly every?: number
}

/**
 * Polls `check` until it returns something truthy and returns that; a throw counts as "not yet".
 * For observation from outside (a server, a process): code of our own is awaited, never polled.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  { what = 'the condition', within = 5_000, every = 10 }: EventuallyOptions = {},
): Promise<Exclude<T, undefined | null | false | 0 | ''>> {
  const deadline = performance.now() + within
  for (;;) {
    let cause: unknown
    try {
      const value = await check()
      if (value) return value as Exclude<T, undefined | null | false | 0 | ''>
    } catch (error) {
      cause = error
    }
    if (performance.now() >= deadline) {
      throw new Error(`Expected ${what} within ${within} ms, and it did not happen`, { cause })
    }
    await sleep(every)
  }
}
