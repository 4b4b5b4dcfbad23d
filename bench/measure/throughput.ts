// How often, or how fast, something can be done.

import { setImmediate as turn } from 'node:timers/promises'
import type { Acquire } from '../library.ts'

/** Something that is measured; `caller` counts from 0. */
export type Operation = (caller: number) => unknown

/** Takes something and gives it back. */
export async function pair(acquire: Acquire | undefined): Promise<void> {
  const release = await acquire?.()
  await release?.()
}

/** Operations per second of so many callers, each of which starts its next one when the last has ended. */
export async function perSecond(
  callers: number,
  ms: number,
  operation: Operation,
): Promise<number> {
  const started = performance.now()
  const until = started + ms
  let done = 0
  await Promise.all(
    Array.from({ length: callers }, async (_none, caller) => {
      while (performance.now() < until) {
        await operation(caller)
        done++
      }
    }),
  )
  return (done * 1_000) / (performance.now() - started)
}

const BATCH = 1_000

/** Microseconds of one operation after the other, for those that are too short for a clock around each. */
export async function microseconds(ms: number, operation: Operation): Promise<number> {
  const until = performance.now() + ms
  let spent = 0
  let done = 0
  do {
    const started = performance.now()
    for (let i = 0; i < BATCH; i++) await operation(0)
    // A turn of the event loop belongs to the cost: exporters and timers run in it.
    await turn()
    spent += performance.now() - started
    done += BATCH
  } while (performance.now() < until)
  return (spent * 1_000) / done
}
