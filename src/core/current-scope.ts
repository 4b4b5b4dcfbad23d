// What the running code belongs to, where the runtime can tell.
import type { AsyncLocalStorage } from 'node:async_hooks'

// Asked for and not imported, so that this loads where the built-in is missing: nothing is current there.
const { process } = globalThis as {
  process?: {
    getBuiltinModule?: (id: string) => { AsyncLocalStorage: typeof AsyncLocalStorage } | undefined
  }
}
const hooks = process?.getBuiltinModule?.('node:async_hooks')
const storage: AsyncLocalStorage<object> | undefined = hooks && new hooks.AsyncLocalStorage()

/** What the running code is within; undefined outside, and on runtimes without `node:async_hooks`. */
export function current(): object | undefined {
  return storage?.getStore()
}

/** Runs `work` so that {@link current} answers `scope` in all that it calls. */
export function within<T>(scope: object, work: () => T): T {
  return storage ? storage.run(scope, work) : work()
}

/** Runs `work` so that nothing is current in all that it calls: it outlives what the running code is within. */
export function outside<T>(work: () => T): T {
  return storage ? storage.exit(work) : work()
}
