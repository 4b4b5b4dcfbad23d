// Any store, with its calls counted and made to fail when a row says so.

import type { Adapter, HoldfastEvent } from '../../../src/core/ports.ts'
import type { CallName, Fault } from '../../support/faulty-adapter.ts'
import { type Tap, tapped } from '../../support/tapped-port.ts'

export interface SpiedStore extends Adapter {
  /** Every call that was made, in order. */
  readonly calls: readonly CallName[]
  /** What the store was given with each of them: all that it can know. */
  readonly given: readonly (readonly unknown[])[]
  readonly events: readonly HoldfastEvent[]
  /** What becomes of every such call from now on; undefined heals it. */
  always(name: CallName, fault: Fault | undefined): void
}

/** Each spy has calls and faults of its own, as each process has its own connection to one store. */
export function spiedStore(store: Adapter): SpiedStore {
  const calls: CallName[] = []
  const given: unknown[][] = []
  const events: HoldfastEvent[] = []
  const faults = new Map<CallName, Fault>()

  const spy: Tap = (name, carryOut, args) => {
    calls.push(name)
    given.push(args)
    const fault = faults.get(name)
    return fault ? fault(carryOut) : carryOut()
  }
  return {
    calls,
    given,
    events,
    always: (name, fault) => {
      if (fault) faults.set(name, fault)
      else faults.delete(name)
    },
    grants: tapped(store.grants, 'grants', spy),
    records: tapped(store.records, 'records', spy),
    histories: tapped(store.histories, 'histories', spy),
    signals: tapped(store.signals, 'signals', spy),
    rates: tapped(store.rates, 'rates', spy),
    counts: tapped(store.counts, 'counts', spy),
    deadline: Math.min(store.deadline, 1_000),
    onEvent: (event) => events.push(event),
    connect: () => store.connect(),
    isConnected: () => store.isConnected(),
    disconnect: () => store.disconnect(),
  }
}
