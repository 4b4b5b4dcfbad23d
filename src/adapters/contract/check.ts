// A check of the contract as data: a sentence about behaviour, and how to see whether it holds.
import type { ContractStore } from './store.ts'
import { Trial } from './trial.ts'

/** The parts of an adapter that checks are about. */
export type ContractGroup =
  | 'adapter'
  | 'counts'
  | 'grants'
  | 'histories'
  | 'rates'
  | 'records'
  | 'signals'

/** One promise of an adapter, and the test of it. */
export interface ContractCheck {
  readonly group: ContractGroup
  /** The promise, as a sentence. */
  readonly name: string
  /** The optional hook of the store that the check cannot do without. */
  readonly needs?: 'lose' | undefined
  /** Resolves when the store keeps the promise, and rejects with what it did instead. */
  readonly run: (store: ContractStore) => Promise<void>
}

/** Promises by their sentences. */
export type Promises = Readonly<Record<string, (trial: Trial) => Promise<void>>>

/** Makes the checks of one group. */
export function checks(
  group: ContractGroup,
  promises: Promises,
  needs?: ContractCheck['needs'],
): readonly ContractCheck[] {
  return Object.entries(promises).map(([name, check]) => ({
    group,
    name,
    needs,
    run: (store) => Trial.run(store, check),
  }))
}
