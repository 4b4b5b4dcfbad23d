// Long tasks that go on where their last worker stopped, owned by one worker at a time.
import { ageing, count, observe, type Watch } from '../telemetry/index.ts'
import { abortError, joinSignals } from './abort.ts'
import {
  asCheckpoint,
  type Checkpoint,
  CheckpointHistory,
  expectKeeping,
  type FoundCheckpoint,
  type Keeping,
  type KeepOptions,
} from './checkpoint-history.ts'
import { type CheckpointRun, Run } from './checkpoint-run.ts'
import { AcquireTimeoutError, SchemaMismatchError } from './errors.ts'
import {
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectOptions,
  expectSignal,
  expectTimeout,
} from './expect.ts'
import { PartTelling } from './grant-telling.ts'
import { partOf } from './lifetime.ts'
import type { AcquireOptions } from './lock.ts'
import { type Ownership, type OwnershipProvider, own, ownershipProvider } from './ownership.ts'
import type { Limits } from './patience.ts'

/** Makes a state of another version into one of this version. */
export type Migrate<S> = (state: unknown, version: number) => Promise<S> | S

/** Options of a {@link Checkpointer}. */
export interface CheckpointerOptions<S> extends KeepOptions {
  /** The store; default: the scope's, else the memory of this process. */
  readonly provider?: OwnershipProvider | undefined
  /** Which task it is: the same after a restart. */
  readonly taskId: string
  /**
   * Milliseconds after which the task of a worker that died may be taken over.
   *
   * @defaultValue 30_000
   */
  readonly lease?: number | undefined
  /**
   * The version of the state's form, to be raised with every change of it.
   *
   * @defaultValue 1
   */
  readonly schemaVersion?: number | undefined
  /** Makes a state of another version into one of this version; without it, such a task does not run. */
  readonly migrate?: Migrate<S> | undefined
  /**
   * The low-cardinality name of the task in spans and metrics.
   *
   * @defaultValue `'checkpoint'`
   */
  readonly name?: string | undefined
}

/**
 * Runs a long task that saves its progress, so that whoever runs it next goes on from there.
 *
 * One worker at a time owns the task, over all processes that share the store. A worker that dies is replaced after
 * `lease`; one that was only paused cannot overwrite the progress of the next. What a worker does between two saves is
 * done again by the next: save after the effect, and let the effect bear being repeated.
 *
 * A run that ends leaves its last checkpoint: running the task again goes on after it, and {@link Checkpointer.clear}
 * makes it begin anew.
 *
 * @example
 * ```ts
 * import { Checkpointer, MemoryAdapter, scope } from 'holdfast'
 *
 * const s = scope({ provider: new MemoryAdapter() })
 * const rows = ['a', 'b', 'c']
 * const task = new Checkpointer<{ next: number }>(s.signal, { taskId: 'import:2026-11' })
 * await task.run(async (cp) => {
 *   for (let i = cp.state?.next ?? 0; i < rows.length; i++) {
 *     console.log(rows[i])
 *     await cp.save({ next: i + 1 }, { progress: (i + 1) / rows.length })
 *   }
 * })
 * console.log(await task.load())
 * await s[Symbol.asyncDispose]()
 * ```
 */
// biome-ignore lint/suspicious/noExplicitAny: as in `Checkpoint`.
export class Checkpointer<S = any> {
  readonly #signal: AbortSignal | undefined
  readonly #provider: OwnershipProvider
  readonly #taskId: string
  readonly #name: string
  readonly #lease: number
  readonly #schema: number
  readonly #migrate: Migrate<S> | undefined
  readonly #keeping: Keeping
  readonly #history: CheckpointHistory

  /**
   * Makes the checkpointer of a task; its runs end with `signal`.
   *
   * @throws InvalidArgumentError when an option is not of the documented form
   */
  constructor(signal: AbortSignal | undefined, options: CheckpointerOptions<S>) {
    const given = expectOptions(options, 'such as `{ taskId }`')
    const { provider, taskId, lease = 30_000, schemaVersion = 1, migrate, name } = given
    this.#signal = expectSignal('signal', signal)
    this.#provider = ownershipProvider(provider, signal)
    this.#taskId = expectName('taskId', taskId)
    this.#name = name === undefined ? 'checkpoint' : expectName('name', name)
    this.#lease = expectDuration('lease', lease)
    this.#schema = expectInteger('schemaVersion', schemaVersion)
    this.#migrate = migrate === undefined ? undefined : expectFunction('migrate', migrate)
    this.#keeping = expectKeeping(given)
    this.#history = new CheckpointHistory(this.#provider, { taskId, name: this.#name })
  }

  /** Which task it is. */
  get taskId(): string {
    return this.#taskId
  }

  /**
   * Runs the task from where it stands, waiting until no other worker owns it; what it saves is on record when this
   * resolves, and a save that nobody has waited for and that fails makes it reject.
   *
   * @throws AcquireTimeoutError when another worker owned the task for all of `timeout`
   * @throws AbortedError when the signal aborted first
   * @throws SchemaMismatchError when the task was saved with another `schemaVersion` and there is no `migrate`
   * @throws StoreCorruptError when its latest checkpoint is not what was saved
   * @throws StoreUnavailableError when the store did not answer
   */
  async run<T>(
    work: (run: CheckpointRun<S>) => Promise<T> | T,
    options: AcquireOptions = {},
  ): Promise<T> {
    expectFunction('work', work)
    const { timeout, signal } = expectOptions(options, 'such as `{ timeout: 1_000 }`')
    const limits = {
      timeout: expectTimeout('timeout', timeout),
      signals: [expectSignal('signal', signal), this.#signal],
    }
    const resumed = await this.#resume(limits)
    if (!resumed) {
      throw new AcquireTimeoutError(`Another worker owns '${this.#taskId}' (tried once)`, {
        key: this.#taskId,
      })
    }
    return this.#work(resumed, work, limits)
  }

  /**
   * Where the task stands, in this version's form; undefined when nothing is saved. Throws as {@link Checkpointer.run}.
   */
  async load(): Promise<Checkpoint<S> | undefined> {
    const found = await this.#history.load()
    return found && { ...asCheckpoint<S>(found), state: await this.#stateOf(found) }
  }

  /**
   * Forgets the progress, so that the next run begins anew; a worker that was replaced stays refused.
   *
   * @throws StoreUnavailableError when the store did not answer
   */
  async clear(): Promise<void> {
    await this.#history.trim(0)
  }

  /** Takes the task over; undefined when another worker owns it and nobody waits. */
  #resume(limits: Limits): Promise<Resumed<S> | undefined> {
    return observe('checkpoint.resume', { name: this.#name }, async (watch) => {
      const owned = await own(
        {
          provider: this.#provider,
          kind: 'checkpoint',
          key: this.#taskId,
          ttl: this.#lease,
          owner: undefined,
          telling: new PartTelling('task', 'holdfast.checkpoint.lost', watch),
        },
        limits,
      )
      if (!owned) return undefined
      try {
        const found = await this.#history.open(owned.fencingToken, this.#keeping.ttl)
        const state = found && (await this.#stateOf(found))
        for (const signal of limits.signals) {
          if (signal?.aborted) throw abortError(signal, this.#taskId)
        }
        this.#tell(watch, owned, found)
        return { owned, found, state }
      } catch (error) {
        await owned[Symbol.asyncDispose]()
        throw error
      }
    })
  }

  #tell(
    watch: Watch<'checkpoint.resume'>,
    { fencingToken }: Ownership,
    found: FoundCheckpoint | undefined,
  ): void {
    const outcome = found ? 'resumed' : 'started'
    watch.note({ outcome, fencingToken: String(fencingToken), sequence: found?.sequence ?? 0 })
    watch.link(found?.meta.traceparent)
    count('checkpoint.resumes', { name: this.#name, outcome })
  }

  /** The state of a checkpoint in this version's form. */
  async #stateOf({ state, schema = 1 }: FoundCheckpoint): Promise<S> {
    if (schema === this.#schema) return state as S
    if (this.#migrate) return this.#migrate(state, schema)
    throw new SchemaMismatchError(
      `'${this.#taskId}' was saved with \`schemaVersion\` ${schema}, and this is ${this.#schema}: give it \`migrate\``,
      { key: this.#taskId, found: schema, expected: this.#schema },
    )
  }

  async #work<T>(
    { owned, found, state }: Resumed<S>,
    work: (run: CheckpointRun<S>) => Promise<T> | T,
    { signals }: Limits,
  ): Promise<T> {
    const joined = joinSignals([owned.signal, ...signals])
    const age = ageing('checkpoint.age', { name: this.#name })
    const run = new Run<S>({
      taskId: this.#taskId,
      history: this.#history,
      keeping: this.#keeping,
      schema: this.#schema,
      fencingToken: owned.fencingToken,
      signal: joined.signal,
      found,
      state,
      age,
    })
    const ended = (async () => {
      try {
        const value = await work(run)
        await run.end()
        return value
      } finally {
        // Once more for work that has thrown, whose own error counts.
        await run.end().catch(() => {})
        joined.letGo()
        age.stop()
        await owned[Symbol.asyncDispose]()
      }
    })()
    const name = `checkpointed task '${this.#taskId}'`
    const forget = partOf(this.#signal, name, ended, () => owned.close(this.#signal?.reason))
    try {
      return await ended
    } finally {
      forget()
    }
  }
}

interface Resumed<S> {
  readonly owned: Ownership
  readonly found: FoundCheckpoint | undefined
  readonly state: S | undefined
}
