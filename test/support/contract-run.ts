// Registers the checks of the adapter contract with vitest, for one kind of store.

import { describe, test } from 'vitest'
import { type ContractStore, contract } from '../../src/adapters/contract/index.ts'

declare module 'vitest' {
  interface TaskMeta {
    /** The store whose contract this test is part of, and the part of it; counted at the end of the run. */
    contract?: { readonly store: string; readonly group: string }
  }
}

export interface ContractRunOptions {
  /** Whether checks run beside each other: most of their time over a server is waiting. */
  readonly concurrent?: boolean
}

/** One test for each check; `store` is called for each, so that no check meets what another has left. */
export function describeContract(
  name: string,
  store: () => ContractStore,
  { concurrent = false }: ContractRunOptions = {},
): void {
  describe(`the contract over ${name}`, { concurrent, timeout: 60_000 }, () => {
    for (const check of contract) {
      const own = store()
      const skip = check.needs !== undefined && own[check.needs] === undefined
      const meta = { contract: { store: name, group: check.group } }
      test(`${check.group}: ${check.name}`, { skip, meta }, () => check.run(own))
    }
  })
}
