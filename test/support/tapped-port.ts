// A port of a store whose calls go through somebody else's hands.

import type { Counts, Grants, Histories, Rates, Records, Signals } from '../../src/core/ports.ts'

/** A call of a port, such as `grants.acquire`. */
export type CallName =
  | `counts.${keyof Counts}`
  | `grants.${keyof Grants}`
  | `histories.${keyof Histories}`
  | `rates.${keyof Rates}`
  | `records.${keyof Records}`
  | `signals.${keyof Signals}`

/** What becomes of a call: `carryOut` does what the store would have done. */
export type Tap = <T>(name: CallName, carryOut: () => Promise<T>, args: unknown[]) => Promise<T>

/** The port, with each of its calls given to `tap`. */
export function tapped<P extends object>(port: P, portName: string, tap: Tap): P {
  return new Proxy(port, {
    get: (target, method) => {
      const own: unknown = Reflect.get(target, method)
      if (typeof own !== 'function') return own
      return (...args: unknown[]) =>
        tap(`${portName}.${String(method)}` as CallName, () => own.apply(target, args), args)
    },
  })
}
