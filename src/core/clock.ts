// The monotonic clock and timers that cannot overflow; the wall clock is never read for safety.

const LONGEST_TIMER = 2 ** 31 - 1

/** Milliseconds on a clock that never steps; meaningful only as a difference. */
export function now(): number {
  return performance.now()
}

/** A timer that can be stopped. */
export interface Timer {
  stop(): void
}

/**
 * Calls back after `ms`.
 *
 * A foreground timer keeps the process alive, because somebody waits for it; a background one does not.
 */
export function after(
  ms: number,
  callback: () => void,
  ground: 'foreground' | 'background',
): Timer {
  let timer: { unref?: () => void }
  const arm = (left: number): void => {
    const done = left > LONGEST_TIMER ? () => arm(left - LONGEST_TIMER) : callback
    timer = setTimeout(done, Math.min(Math.max(Math.ceil(left), 0), LONGEST_TIMER)) as typeof timer
    if (ground === 'background') timer.unref?.()
  }
  arm(ms)
  return { stop: () => clearTimeout(timer as never) }
}

/** Resolves after `ms` without keeping the process alive. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    after(ms, resolve, 'background')
  })
}
