// A clock of the test's own for everything that core does: timers and the monotonic clock stand still until told.

import { afterEach, beforeEach, vi } from 'vitest'

export interface FakeTime {
  /** Lets time pass, timer by timer, with everything that follows from each. */
  pass(ms: number): Promise<void>
  /** Lets everything happen that needs no time. */
  settle(): Promise<void>
}

/** Installs the clock for every test of the file. */
export function fakeTime(): FakeTime {
  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance', 'Date'],
    })
  })
  afterEach(() => {
    vi.useRealTimers()
  })
  const pass = async (ms: number): Promise<void> => {
    await vi.advanceTimersByTimeAsync(ms)
  }
  return { pass, settle: () => pass(0) }
}
