// The memory store as the contract suite wants it: on a virtual clock, and able to lose its data.

import type { ContractStore } from '../../src/adapters/contract/index.ts'
import { MemoryAdapter } from '../../src/adapters/memory/index.ts'
import type { Adapter } from '../../src/core/ports.ts'
import { type VirtualTime, virtualTime } from './virtual-time.ts'

/** `wrap` makes an adapter out of the memory store, once for each life of its data. */
export function memoryStore(
  wrap: (adapter: MemoryAdapter, time: VirtualTime) => Adapter = (adapter) => adapter,
): ContractStore {
  const time = virtualTime()
  const empty = (): Adapter => wrap(new MemoryAdapter({ clock: time.now }), time)
  let adapter = empty()
  return {
    open: async () => adapter,
    pass: time.pass,
    lose: async () => {
      adapter = empty()
    },
  }
}
