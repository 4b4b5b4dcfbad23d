// A source of values that a cache loads, which counts its loads and ends each of them when a test says so.

import type { Loader } from '../../src/index.ts'
import { type Deferred, deferred } from './deferred.ts'

export interface Source {
  /** Answers `v1`, `v2` and so on, at once. */
  readonly load: Loader<string>
  /** Answers what the test ends the load with. */
  readonly slow: Loader<string>
  /** How many loads have begun. */
  readonly loads: () => number
  /** The loads of `slow`, in order. */
  readonly pending: readonly (Deferred<string> & { readonly signal: AbortSignal })[]
}

export function source(): Source {
  let loads = 0
  const pending: (Deferred<string> & { readonly signal: AbortSignal })[] = []
  return {
    load: () => `v${++loads}`,
    slow: ({ signal }) => {
      loads++
      const { promise, resolve, reject } = deferred<string>()
      pending.push({ promise, resolve, reject, settled: false, signal })
      return promise
    },
    loads: () => loads,
    pending,
  }
}
