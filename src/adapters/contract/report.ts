// The contract without a test runner: all checks, one after the other, and what came of them.
import type { ContractCheck } from './check.ts'
import { contract } from './contract.ts'
import type { ContractStore } from './store.ts'

/** A promise that a store did not keep. */
export interface ContractFailure {
  readonly check: ContractCheck
  /** What it did instead. */
  readonly error: unknown
}

/** What came of the checks. */
export interface ContractReport {
  readonly passed: readonly ContractCheck[]
  readonly failed: readonly ContractFailure[]
  /** The checks that need a hook which the store does not have. */
  readonly leftOut: readonly ContractCheck[]
}

/**
 * Runs every check of the contract on a store, for where there is no test runner.
 *
 * @example
 * ```ts
 * import { MemoryAdapter } from 'holdfast'
 * import { checkContract } from 'holdfast/contract'
 *
 * const adapter = new MemoryAdapter()
 * const { passed, failed } = await checkContract({ open: async () => adapter })
 * for (const { check, error } of failed) console.error(check.group, check.name, error)
 * console.log(`${passed.length} promises kept, ${failed.length} broken`)
 * ```
 */
export async function checkContract(store: ContractStore): Promise<ContractReport> {
  const passed: ContractCheck[] = []
  const failed: ContractFailure[] = []
  const leftOut: ContractCheck[] = []
  for (const check of contract) {
    if (check.needs && !store[check.needs]) {
      leftOut.push(check)
      continue
    }
    try {
      await check.run(store)
      passed.push(check)
    } catch (error) {
      failed.push({ check, error })
    }
  }
  return { passed, failed, leftOut }
}
