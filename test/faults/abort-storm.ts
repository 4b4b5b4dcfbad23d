// Ten thousand acquires that are given up at random moments, and what they leave behind.

import { getEventListeners } from 'node:events'
import type { Adapter } from '../../src/index.ts'
import { isHoldfastError, Lock, Semaphore } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'

const ACQUIRES = 10_000
const AT_ONCE = 60
const NAMES = ['a', 'b', 'c', 'd', 'e']
/** How many milliseconds an acquire may live: some end before they are sent, some while queued, some as holders. */
const LONGEST = 25

export interface Storm {
  readonly granted: number
  readonly aborted: number
  readonly listeners: number
  /** Resolves when nothing is held or queued any more; rejects when something stays. */
  clear(): Promise<void>
}

/** Runs the storm on locks and semaphores of a store, all on one long-lived signal and one of their own. */
export async function abortStorm(provider: Adapter): Promise<Storm> {
  const longLived = new AbortController()
  const resources = NAMES.flatMap((key) => [
    new Lock(longLived.signal, { provider, key }),
    new Semaphore(2, { provider, key }),
  ])
  let granted = 0
  let aborted = 0
  let next = 0
  const run = async (): Promise<void> => {
    while (next < ACQUIRES) {
      const resource = resources[next++ % resources.length] as Lock
      const own = new AbortController()
      const timer = setTimeout(() => own.abort(), Math.random() * LONGEST)
      // Some abort in the same turn, before anything was sent.
      if (Math.random() < 0.05) own.abort()
      try {
        const held = await resource.acquire({ signal: own.signal })
        granted++
        if (Math.random() < 0.5) await new Promise((resolve) => setTimeout(resolve, 1))
        await held.release()
      } catch (error) {
        if (!isHoldfastError(error) || error.code !== 'ERR_HOLDFAST_ABORTED') throw error
        aborted++
      } finally {
        clearTimeout(timer)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, run))
  const held = async (): Promise<string[]> => {
    const views = await Promise.all(resources.map((resource) => resource.inspect()))
    return views.flatMap(({ holders, waiters }) => [...holders, ...waiters].map(({ id }) => id))
  }
  // Undoing goes on behind the callers' backs.
  const clear = async (): Promise<void> => {
    await eventually(async () => (await held()).length === 0, { what: 'nothing is held or queued' })
  }
  const listeners = getEventListeners(longLived.signal, 'abort').length
  return { granted, aborted, listeners, clear }
}
