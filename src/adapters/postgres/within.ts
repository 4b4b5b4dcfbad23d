// Waiting for a promise no longer than until a moment of the monotonic clock.

/** Milliseconds that are left until a moment, never less than one. */
export function left(until: number): number {
  return Math.max(1, Math.ceil(until - performance.now()))
}

/** The promise's outcome, or the error that `late` makes; what comes later than that is given to `unwanted`. */
export function within<T>(
  until: number,
  promise: Promise<T>,
  late: () => Error,
  unwanted: (value: T) => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false
    // In the foreground: somebody waits.
    const timer = setTimeout(() => {
      over = true
      reject(late())
    }, left(until))
    promise.then(
      (value) => {
        clearTimeout(timer)
        if (over) unwanted(value)
        else resolve(value)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
