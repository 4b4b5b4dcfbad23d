// A store that hangs, fails or answers late when a test says so, around a memory store that works.

import { MemoryAdapter } from '../../src/adapters/memory/index.ts'
import type {
  Adapter,
  Grants,
  Histories,
  HoldfastEvent,
  Records,
  Signals,
} from '../../src/core/ports.ts'

/** A call of a port, such as `grants.acquire`. */
export type CallName =
  | `grants.${keyof Grants}`
  | `records.${keyof Records}`
  | `histories.${keyof Histories}`
  | `signals.${keyof Signals}`

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
  readonly histories: Histories
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
  const { grants, records, histories, signals } = store
  return {
    store,
    calls,
    events,
    deadline,
    onEvent: (event) => events.push(event),
    grants: {
      acquire: (request) => through('grants.acquire', () => grants.acquire(request)),
      renew: (resource, id, ttl) => through('grants.renew', () => grants.renew(resource, id, ttl)),
      release: (resource, id) => through('grants.release', () => grants.release(resource, id)),
      beat: (resource, inbox, ids) =>
        through('grants.beat', () => grants.beat(resource, inbox, ids)),
      inspect: (resource) => through('grants.inspect', () => grants.inspect(resource)),
    },
    records: {
      begin: (request) => through('records.begin', () => records.begin(request)),
      renew: (record, id, lease) =>
        through('records.renew', () => records.renew(record, id, lease)),
      commit: (request) => through('records.commit', () => records.commit(request)),
      drop: (record, id, notice) => through('records.drop', () => records.drop(record, id, notice)),
      put: (request) => through('records.put', () => records.put(request)),
      remove: (record, notice) => through('records.remove', () => records.remove(record, notice)),
      clear: (prefix, notice) => through('records.clear', () => records.clear(prefix, notice)),
    },
    histories: {
      open: (history, token, ttl) =>
        through('histories.open', () => histories.open(history, token, ttl)),
      append: (request) => through('histories.append', () => histories.append(request)),
      read: (history, sequence) =>
        through('histories.read', () => histories.read(history, sequence)),
      list: (history) => through('histories.list', () => histories.list(history)),
      trim: (history, keep) => through('histories.trim', () => histories.trim(history, keep)),
      remove: (history) => through('histories.remove', () => histories.remove(history)),
    },
    signals: {
      listen: (channel, listener) =>
        through('signals.listen', () => signals.listen(channel, listener)),
    },
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
