// Options of the service's description, made into options of one framework: their callbacks are given its arguments.

import type { Asked } from './service.ts'

/** Told of events and not of requests. */
const NO_REQUEST = new Set(['onEvent', 'onRefused'])

/** How many arguments come before the request: what was lost and its key, the answer that is judged. */
const TOLD_FIRST = new Map([
  ['recover', 2],
  ['isFailure', 1],
])

/** The same options, with callbacks that take what the framework gives. */
export function adapt<A extends readonly unknown[]>(
  options: object,
  asked: (...args: A) => Asked,
): object {
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => {
      if (typeof value === 'function' && !NO_REQUEST.has(name)) {
        const before = TOLD_FIRST.get(name) ?? 0
        const callback = (...args: unknown[]) =>
          value(...args.slice(0, before), asked(...(args.slice(before) as unknown as A)))
        return [name, callback]
      }
      // The guards of protect() are options inside of options; a store is left as it is.
      return typeof value === 'object' && isGuard(name)
        ? [name, adapt(value, asked)]
        : [name, value]
    }),
  )
}

function isGuard(name: string): boolean {
  return ['idempotency', 'timeout', 'rateLimit', 'circuitBreaker', 'lock', 'semaphore'].includes(
    name,
  )
}
