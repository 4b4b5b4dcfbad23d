// A store that hangs, fails or answers late when a test says so, around a memory store that works.

import { MemoryAdapter } from '../../src/adapters/memory/index.ts'
import type { Adapter, HoldfastEvent } from '../../src/core/ports.ts'
import { type CallName, tapped } from './tapped-port.ts'

export type { CallName } from './tapped-port.ts'

/** What becomes of a call: `carryOut` does what the store would have done. */
export type Fault = <T>(carryOut: () => Promise<T>) => Promise<T>

/** It is never carried out and never answered. */
export const hangs: Fault = () => new Promise(() => {})

/** It is refused without effect. */
export function fails(error: unknown): Fault {
  return async () => {
    throw error
  }
}

/** It takes effect, and its answer is lost. */
export function losesAnswer(error: unknown = new Error('The connection broke')): Fault {
  return async (carryOut) => {
    await carryOut()
    throw error
  }
}

/** It takes effect only once the gate opens, as a command does that was queued during an outage. */
export function landsAfter(gate: Promise<unknown>): Fault {
  return async (carryOut) => {
    await gate
    return carryOut()
  }
}

/** It takes effect at once, and is answered once the gate opens. */
export function answersAfter(gate: Promise<unknown>): Fault {
  return async (carryOut) => {
    const answer = await carryOut()
    await gate
    return answer
  }
}

export interface FaultyAdapterOptions {
  /** @defaultValue 500 */
  readonly deadline?: number
}

export interface FaultyAdapter extends Adapter {
  /** The store itself, to look at or to use from another process. */
  readonly store: MemoryAdapter
  /** Every call that was made, in order. */
  readonly calls: readonly CallName[]
  /** Everything that `onEvent` was told. */
  readonly events: readonly HoldfastEvent[]
  /** How often a call was made. */
  count(name: CallName): number
  /** What becomes of the next such call; several are used up in order. */
  once(name: CallName, fault: Fault): void
  /** What becomes of every such call from now on; undefined heals it. */
  always(name: CallName, fault: Fault | undefined): void
}

export function faultyAdapter({ deadline = 500 }: FaultyAdapterOptions = {}): FaultyAdapter {
  const store = new MemoryAdapter()
  const calls: CallName[] = []
  const events: HoldfastEvent[] = []
  const next = new Map<CallName, Fault[]>()
  const lasting = new Map<CallName, Fault>()

  const through = <T>(name: CallName, carryOut: () => Promise<T>): Promise<T> => {
    calls.push(name)
    const fault = next.get(name)?.shift() ?? lasting.get(name)
    return fault ? fault(carryOut) : carryOut()
  }
  return {
    store,
    calls,
    events,
    deadline,
    onEvent: (event) => events.push(event),
    grants: tapped(store.grants, 'grants', through),
    records: tapped(store.records, 'records', through),
    histories: tapped(store.histories, 'histories', through),
    rates: tapped(store.rates, 'rates', through),
    counts: tapped(store.counts, 'counts', through),
    signals: tapped(store.signals, 'signals', through),
    connect: async () => {},
    isConnected: () => true,
    disconnect: async () => {},
    count: (name) => calls.filter((each) => each === name).length,
    once: (name, fault) => {
      next.set(name, [...(next.get(name) ?? []), fault])
    },
    always: (name, fault) => {
      if (fault) lasting.set(name, fault)
      else lasting.delete(name)
    },
  }
}
