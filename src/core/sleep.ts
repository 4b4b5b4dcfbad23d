// A pause that somebody waits for, and that ends early with their patience.
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
