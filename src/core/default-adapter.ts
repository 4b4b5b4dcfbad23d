// The one place where core meets an adapter: the process-wide memory store that serves where none was given.
import { MemoryAdapter } from '../adapters/memory/index.ts'

// On globalThis, so that a hot reload or a second copy of the package does not protect a second time beside the first.
const SLOT = Symbol.for('holdfast.default-adapter')

/** The process-wide memory store. */
export function defaultAdapter(): MemoryAdapter {
  const global = globalThis as { [SLOT]?: MemoryAdapter }
  global[SLOT] ??= new MemoryAdapter()
  return global[SLOT]
}
