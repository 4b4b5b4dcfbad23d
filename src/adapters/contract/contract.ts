// The contract: every promise that an adapter makes, as data.
import { adapterChecks } from './adapter.ts'
import type { ContractCheck } from './check.ts'
import { countChecks, countLossChecks } from './counts.ts'
import { grantChecks } from './grants/index.ts'
import { historyChecks } from './histories.ts'
import { rateChecks } from './rates.ts'
import { recordChecks } from './records/index.ts'
import { signalChecks } from './signals.ts'

/**
 * Every promise of an adapter and the check of it, for any test runner.
 *
 * @example
 * ```ts
 * import { MemoryAdapter } from 'holdfast'
 * import { contract } from 'holdfast/contract'
 * import { test } from 'vitest'
 *
 * const adapter = new MemoryAdapter()
 * for (const { name, run } of contract) {
 *   test(name, () => run({ open: async () => adapter }), 60_000)
 * }
 * ```
 */
export const contract: readonly ContractCheck[] = [
  ...adapterChecks,
  ...grantChecks,
  ...recordChecks,
  ...historyChecks,
  ...rateChecks,
  ...countChecks,
  ...countLossChecks,
  ...signalChecks,
]
