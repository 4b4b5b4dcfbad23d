// Callers that keep a store busy while a test takes it away.

import { type Adapter, Idempotency, Lock, Semaphore } from '../../src/index.ts'

/** How many callers there are, a third of them for each primitive. */
export const CALLERS = 12

/** One call of a caller: when it was made, how long it took, and how it failed. */
export interface Call {
  readonly at: number
  readonly took: number
  readonly error: unknown
}

/** Callers that lock, limit and execute in a loop; the function returned ends them and gives their calls. */
export function storeLoad(provider: Adapter): () => Promise<Call[]> {
  const lock = new Lock(undefined, { provider, key: 'loaded' })
  const semaphore = new Semaphore(3, { provider, key: 'loaded' })
  const idempotency = new Idempotency({ provider })
  const run = `${performance.now()}`
  const work = () => new Promise((resolve) => setTimeout(resolve, 5))
  const kinds: ((round: string) => Promise<unknown>)[] = [
    () => lock.run(work, { timeout: 2_000 }),
    () => semaphore.run(work, { timeout: 300 }),
    (round) => idempotency.run(`${run}:${round}`, work),
  ]
  const calls: Call[] = []
  let over = false
  const callers = Array.from({ length: CALLERS }, async (_none, caller) => {
    for (let round = 0; !over; round++) {
      const at = performance.now()
      const call = kinds[caller % kinds.length] as (typeof kinds)[number]
      const error = await call(`${caller}-${round}`).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      calls.push({ at, took: performance.now() - at, error })
      if (error) await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
  return async () => {
    over = true
    await Promise.all(callers)
    return calls
  }
}
