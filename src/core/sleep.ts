// Pauses that somebody waits for, and that end early with their patience or signal.
import { abortError, onAbort } from './abort.ts'
import { after, type Timer } from './clock.ts'
import type { Patience } from './patience.ts'

/** Resolves after `ms`, or rejects when patience ends first. */
export async function sleep(ms: number, patience: Patience): Promise<void> {
  let timer: Timer | undefined
  const pause = new Promise<void>((resolve) => {
    timer = after(ms, resolve, 'foreground')
  })
  try {
    await patience.within(pause)
  } finally {
    timer?.stop()
  }
}

/** Resolves after `ms`, or rejects when the signal aborts first. */
export function sleepUnless(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortError(signal))
    const letGo = onAbort(signal, () => {
      timer.stop()
      reject(abortError(signal))
    })
    const timer = after(
      ms,
      () => {
        letGo()
        resolve()
      },
      'foreground',
    )
  })
}
