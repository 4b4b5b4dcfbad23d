// The answer of a task: an error or a value, never an exception.

/** The answer of a task: `[error, undefined]` when it failed, `[undefined, value]` when it did not. */
export type Result<T> =
  | readonly [error: Error, value: undefined]
  | readonly [error: undefined, value: T]

/** What was thrown, as an Error: itself where it is one, else the `cause` of one. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error(`Thrown: ${String(thrown)}`, { cause: thrown })
}
