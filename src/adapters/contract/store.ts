// What the contract suite needs of a store under test.
import type { Adapter } from '../../core/ports.ts'

/** The store under test. */
export interface ContractStore {
  /**
   * Opens an adapter over the store, as another process would: with connections of its own where the store has
   * connections. Each check opens several and calls `disconnect` on them in the end.
   */
  open(): Promise<Adapter>
  /** Lets this many milliseconds of the store's time pass; default: really waits. For a store on a fake clock. */
  readonly pass?: ((ms: number) => Promise<void>) | undefined
  /**
   * Makes the store forget everything, as after a crash without persistence; adapters opened afterwards see an empty
   * store. Checks that need it are left out where it is absent.
   */
  readonly lose?: (() => Promise<void>) | undefined
}
