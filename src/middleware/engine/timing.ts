// The timeout guard: a handler that takes too long is answered for, and ends behind the answer.
import { expectDuration, expectOptions } from '../../core/expect.ts'
import { timeoutPolicy } from '../../core/policies.ts'
import { expectGuardOptions, type Guard, type GuardOptions } from './guard.ts'

/** Options of `timeout()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface TimeoutGuardOptions<A extends readonly unknown[]> extends GuardOptions<A> {
  /** Milliseconds until the request is answered with 504. */
  readonly timeout: number
}

/** Makes the timeout guard. */
export function timeoutGuard<A extends readonly unknown[]>(
  given: number | TimeoutGuardOptions<A>,
): Guard<A> {
  const options: TimeoutGuardOptions<A> =
    typeof given === 'number'
      ? { timeout: given }
      : expectOptions(given, 'such as `{ timeout: 10_000 }`, or a number of milliseconds')
  expectGuardOptions(options)
  const policy = timeoutPolicy(expectDuration('timeout', options.timeout), 'The request')
  return {
    kind: 'timeout',
    options,
    concludes: false,
    enter: (_exchange, passage, inward) => policy(passage, inward),
  }
}
