// The wall clock without its steps: for display, and for numbers that outgrow those of an earlier process.

/** Milliseconds since the epoch. */
export function wallClock(): number {
  return performance.timeOrigin + performance.now()
}

/** A number greater than `last`, and than all that were drawn before `last` was forgotten. */
export function outgrow(last: number): number {
  return Math.max(last + 1, Math.floor(wallClock() * 1000))
}
