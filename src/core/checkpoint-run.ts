// One worker's run of a long task: what it has saved, and its saves one after the other.
import type { Ageing } from '../telemetry/index.ts'
import { encodeCheckpoint } from './checkpoint-codec.ts'
import type { CheckpointHistory, FoundCheckpoint, Keeping } from './checkpoint-history.ts'
import { ClosedError } from './errors.ts'
import { expectNumber, expectOptions } from './expect.ts'

/** Options of one save. */
export interface SaveOptions {
  /** How much is done, from 0 to 1; default: as much as before. */
  readonly progress?: number | undefined
}

/** What the function of `Checkpointer.run` is given. */
export interface CheckpointRun<S> {
  /** The state that was last saved, by this worker or the one before; undefined in a task that has saved nothing. */
  readonly state: S | undefined
  /** The number of the checkpoint that was last saved; 0 when none was. */
  readonly sequence: number
  /** How much is done, as last saved. */
  readonly progress: number | undefined
  /** Aborts when the task is lost to another worker, or should end. */
  readonly signal: AbortSignal
  /** Greater than that of every worker before; to be sent along with what the task writes elsewhere. */
  readonly fencingToken: number
  /**
   * Saves a state, after those that are being saved already.
   *
   * One that is still on its way when the function of the run resolves is waited for, and its failure is the run's. One
   * that fails before has to be handled, as every promise.
   *
   * Whether it still counts is decided by the store: a worker that was stopped for longer than its lease is refused
   * once another has taken the task over, and not before.
   *
   * @throws StaleCheckpointError when another worker has taken the task over; nothing was changed
   * @throws InvalidArgumentError when the state is not JSON or too large; nothing was sent to the store
   * @throws StoreUnavailableError when the store did not answer; with `outcome: 'unknown'` it may have been saved
   * @throws ClosedError when the run is over
   */
  save(state: S, options?: SaveOptions): Promise<void>
}

/** What a run starts from. */
export interface RunTerms<S> {
  readonly taskId: string
  readonly history: CheckpointHistory
  readonly keeping: Keeping
  readonly schema: number
  readonly fencingToken: number
  readonly signal: AbortSignal
  /** Where the task stood. */
  readonly found: FoundCheckpoint | undefined
  readonly state: S | undefined
  /** Renewed with every save. */
  readonly age: Ageing
}

/** A run whose state follows its saves. */
export class Run<S> implements CheckpointRun<S> {
  readonly #terms: RunTerms<S>
  #state: S | undefined
  #sequence: number
  #progress: number | undefined
  #asked: number
  #saved: Promise<void> = Promise.resolve()
  /** As their callers have them: what fails among those that nobody waits for is told by the run alone. */
  readonly #underWay = new Set<Promise<void>>()
  #over = false

  constructor(terms: RunTerms<S>) {
    const { state, found } = terms
    this.#terms = terms
    this.#state = state
    this.#sequence = found?.sequence ?? 0
    this.#progress = found?.progress
    this.#asked = this.#sequence
  }

  get state(): S | undefined {
    return this.#state
  }

  get sequence(): number {
    return this.#sequence
  }

  get progress(): number | undefined {
    return this.#progress
  }

  get signal(): AbortSignal {
    return this.#terms.signal
  }

  get fencingToken(): number {
    return this.#terms.fencingToken
  }

  save(state: S, options: SaveOptions = {}): Promise<void> {
    const save = this.#save(state, options).finally(() => this.#underWay.delete(save))
    this.#underWay.add(save)
    return save
  }

  /** Takes no more saves, and waits for those that are on their way; rejects when one of them has failed. */
  async end(): Promise<void> {
    this.#over = true
    const saves = await Promise.allSettled(this.#underWay)
    for (const save of saves) if (save.status === 'rejected') throw save.reason
  }

  async #save(state: S, options: SaveOptions): Promise<void> {
    const { taskId, history, keeping, schema, fencingToken: token, age } = this.#terms
    if (this.#over) throw new ClosedError(`The run of '${taskId}' is over`, { key: taskId })
    const { progress: given } = expectOptions(options, 'such as `{ progress: 0.5 }`')
    const progress = given === undefined ? this.#progress : expectNumber('progress', given, 0, 1)
    const stored = { state, timestamp: Date.now(), progress, schema }
    // Written as text now: whoever waits for an earlier save may change the state meanwhile.
    const encoded = encodeCheckpoint(stored, taskId, keeping.maxBytes)
    // A new number also after a save that failed: one that is still on its way must not replace this one.
    const sequence = ++this.#asked
    const saving = this.#saved.then(() => history.save(encoded, { token, sequence }, keeping))
    this.#saved = saving.catch(() => {})
    await saving
    this.#state = state
    this.#sequence = sequence
    this.#progress = progress
    age.renew()
  }
}
