// Time that passes only while everybody waits for it, so that minutes take no time and their order is exact.

import { setImmediate as turn } from 'node:timers/promises'

export interface VirtualTime {
  /** Milliseconds on a clock that did not start at zero, for `new MemoryAdapter({ clock: time.now })`. */
  readonly now: () => number
  /** Waits; whoever waits for the earliest moment is woken first, when nothing else can go on. */
  readonly pass: (ms: number) => Promise<void>
}

export function virtualTime(): VirtualTime {
  const sleepers: { readonly at: number; readonly wake: () => void }[] = []
  let time = 1_000_000
  let running = false

  const run = async (): Promise<void> => {
    running = true
    for (;;) {
      // By then all promises have settled that can without time passing.
      await turn()
      sleepers.sort((a, b) => a.at - b.at)
      const next = sleepers.shift()
      if (!next) break
      time = next.at
      next.wake()
    }
    running = false
  }
  return {
    now: () => time,
    pass: (ms) =>
      new Promise((wake) => {
        sleepers.push({ at: time + ms, wake })
        if (!running) void run()
      }),
  }
}
