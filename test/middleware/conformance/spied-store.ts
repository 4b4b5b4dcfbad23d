// Any store, with its calls counted and made to fail when a row says so.

import type { Adapter, Counts, HoldfastEvent, Rates } from '../../../src/core/ports.ts'
import type { CallName as BasicCall, Fault } from '../../support/faulty-adapter.ts'

/** A store for every guard that there is. */
export interface FullStore extends Adapter {
  readonly rates: Rates
  readonly counts: Counts
}

export type CallName = BasicCall | `rates.${keyof Rates}` | `counts.${keyof Counts}`

export interface SpiedStore extends FullStore {
  /** Every call that was made, in order. */
  readonly calls: readonly CallName[]
  /** What the store was given with each of them: all that it can know. */
  readonly given: readonly (readonly unknown[])[]
  readonly events: readonly HoldfastEvent[]
  /** What becomes of every such call from now on; undefined heals it. */
  always(name: CallName, fault: Fault | undefined): void
}

/** Each spy has calls and faults of its own, as each process has its own connection to one store. */
export function spiedStore(store: FullStore): SpiedStore {
  const calls: CallName[] = []
  const given: unknown[][] = []
  const events: HoldfastEvent[] = []
  const faults = new Map<CallName, Fault>()

  const spied = <P extends object>(port: P, portName: string): P =>
    new Proxy(port, {
      get: (target, method) => {
        const own: unknown = Reflect.get(target, method)
        if (typeof own !== 'function') return own
        return (...args: unknown[]) => {
          const name = `${portName}.${String(method)}` as CallName
          calls.push(name)
          given.push(args)
          const carryOut = () => own.apply(target, args)
          const fault = faults.get(name)
          return fault ? fault(carryOut) : carryOut()
        }
      },
    })
  return {
    calls,
    given,
    events,
    always: (name, fault) => {
      if (fault) faults.set(name, fault)
      else faults.delete(name)
    },
    grants: spied(store.grants, 'grants'),
    records: spied(store.records, 'records'),
    signals: spied(store.signals, 'signals'),
    rates: spied(store.rates, 'rates'),
    counts: spied(store.counts, 'counts'),
    deadline: Math.min(store.deadline, 1_000),
    onEvent: (event) => events.push(event),
    connect: () => store.connect(),
    isConnected: () => store.isConnected(),
    disconnect: () => store.disconnect(),
  }
}
