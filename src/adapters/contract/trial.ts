// One run of one check: fresh names, adapters that are closed afterwards, and waiting for what must come.
import { fail } from 'node:assert/strict'
import type { Adapter, Counts, Grants, Histories, Rates, Records } from '../../core/ports.ts'
import type { ContractStore } from './store.ts'

/** How often a condition is looked at, and for how long, in milliseconds of the store's time. */
const STEP = 20
const PATIENCE = 20_000

/** What a check works with. */
export class Trial {
  /** A name of a resource or record that nobody else uses. */
  readonly name: string = freshName()
  /** The adapter of the first process. */
  readonly adapter: Adapter
  readonly #store: ContractStore
  readonly #ends: (() => unknown)[] = []
  #over = false

  private constructor(store: ContractStore, adapter: Adapter) {
    this.#store = store
    this.adapter = adapter
  }

  /** Runs a check on the store and closes what it opened, also when it fails. */
  static async run(store: ContractStore, check: (trial: Trial) => Promise<void>): Promise<void> {
    const adapter = await store.open()
    const trial = new Trial(store, adapter)
    try {
      await check(trial)
    } finally {
      trial.#over = true
      for (const end of trial.#ends.reverse()) await end()
      await adapter.disconnect()
    }
  }

  get grants(): Grants {
    return this.adapter.grants
  }

  get records(): Records {
    return this.adapter.records
  }

  get histories(): Histories {
    return this.adapter.histories
  }

  get rates(): Rates {
    return this.adapter.rates
  }

  get counts(): Counts {
    return this.adapter.counts
  }

  /** The adapter of another process. */
  async open(): Promise<Adapter> {
    const adapter = await this.#store.open()
    this.onEnd(() => adapter.disconnect())
    return adapter
  }

  /** Does this when the check is over; the last one first. */
  onEnd(end: () => unknown): void {
    this.#ends.push(end)
  }

  /** Lets time pass; for ever once the check is over, so that what it left running goes on no more. */
  async pass(ms: number): Promise<void> {
    const { pass } = this.#store
    await (pass ? pass(ms) : new Promise((resolve) => setTimeout(resolve, ms)))
    if (this.#over) await new Promise(() => {})
  }

  /** Makes the store forget everything. */
  async lose(): Promise<void> {
    await this.#store.lose?.()
  }

  /** Waits until `look` finds something; checks wait for what must come and never for a time. */
  async until<T>(what: string, look: () => Promise<T | false | undefined>): Promise<T> {
    for (let waited = 0; waited < PATIENCE; waited += STEP) {
      const found = await look()
      if (found !== undefined && found !== false) return found
      await this.pass(STEP)
    }
    return fail(`Expected ${what} within ${PATIENCE} ms, and it did not happen`)
  }
}

/** A name that nobody else uses, so that the suite can run on a shared server. */
export function freshName(): string {
  return `contract:${crypto.randomUUID()}`
}

/** The id of an attempt or an inbox. */
export function freshId(): string {
  return crypto.randomUUID()
}
