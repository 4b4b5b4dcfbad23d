// Idempotent calls: executed once for a key, and replayed to everybody who asks again.
import { observe } from '../telemetry/index.ts'
import { defaultAdapter } from './default-adapter.ts'
import { InvalidArgumentError } from './errors.ts'
import {
  type Executed,
  type ExecuteWatch,
  Execution,
  type ExecutionContext,
  type ExecutionTerms,
  expectResolution,
  type IdempotencyProvider,
  type Keep,
  type Recover,
  type Resolution,
} from './execution.ts'
import {
  expectBoolean,
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectOptions,
  expectProvider,
  expectSignal,
  expectWait,
} from './expect.ts'
import type { TransactionClient } from './ports.ts'

/** Options of {@link Idempotency}. */
export interface IdempotencyOptions<T = unknown> {
  /** The store; default: the memory of this process. */
  readonly provider?: IdempotencyProvider | undefined
  /**
   * Milliseconds that an outcome is kept.
   *
   * @defaultValue 86_400_000 (24 hours)
   */
  readonly ttl?: number | undefined
  /**
   * Milliseconds after which an execution whose process died counts as ended; renewed while it runs.
   *
   * @defaultValue 30_000
   */
  readonly lease?: number | undefined
  /**
   * Whether the next caller runs the work again when an execution ended without recording its outcome. By default it
   * gets an `OutcomeUnknownError`, because the work may have been done.
   *
   * @defaultValue false
   */
  readonly takeover?: boolean | undefined
  /** Settles an unknown outcome, for instance by asking the payment provider what happened. */
  readonly recover?: Recover<T> | undefined
  /**
   * The low-cardinality name in spans and metrics.
   *
   * @defaultValue `'idempotency'`
   */
  readonly name?: string | undefined
  /**
   * Bytes of JSON that a value may have; a larger one is answered once and never replayed.
   *
   * @defaultValue 262_144
   */
  readonly maxBytes?: number | undefined
}

/** Options of {@link Idempotency.transaction}. */
export interface TransactionOptions {
  /** What the call was asked to do: the same key with another fingerprint is refused. */
  readonly fingerprint?: string | undefined
  /** Milliseconds that this outcome is kept; default: the `ttl` of the {@link Idempotency}. */
  readonly ttl?: number | undefined
  /**
   * Milliseconds to wait for another caller's execution and to replay what it ends with; when it leaves nothing, this
   * call runs. `Infinity` waits until `signal` aborts. No more than 100 callers of a process wait for one key.
   *
   * @defaultValue 0
   */
  readonly wait?: number | undefined
  /** Ends the call, while it waits too; it reaches the function as `signal`. */
  readonly signal?: AbortSignal | undefined
}

/** Options of one idempotent call. */
export interface RunOptions<T = unknown> extends TransactionOptions {
  /**
   * What to keep of a value: the `value` itself, `nothing` (the next call runs again), or a `tombstone` (it never does),
   * which is also left when it throws.
   */
  readonly keep?: Keep<T> | undefined
}

/**
 * Runs a function once for a key, over all processes that share the store, and replays its value afterwards.
 *
 * While it runs, other callers get an `InProgressError`, or wait for its value with `wait`; after it threw, the next
 * caller runs it again. After a crash in mid-execution the outcome is unknown: see `takeover` and `recover`. The states
 * and answers follow draft-ietf-httpapi-idempotency-key-header-07.
 *
 * @example
 * ```ts
 * import { Idempotency, MemoryAdapter } from 'holdfast'
 *
 * const payments = new Idempotency({ provider: new MemoryAdapter() })
 * const charge = async () => ({ paymentId: 'p1' })
 * const first = await payments.run('order-1', charge)
 * const again = await payments.run('order-1', charge)
 * console.log(first.replayed, again.replayed, again.value)
 * ```
 */
export class Idempotency<V = unknown> {
  readonly #provider: IdempotencyProvider
  readonly #name: string
  readonly #ttl: number
  readonly #lease: number
  readonly #takeover: boolean
  readonly #recover: Recover<V> | undefined
  readonly #maxBytes: number

  /** @throws InvalidArgumentError when an option is not of the documented form */
  constructor(options: IdempotencyOptions<V> = {}) {
    const given = expectOptions(options, 'such as `{ provider }`')
    const { provider, name, recover } = given
    const { ttl = 86_400_000, lease = 30_000, maxBytes = 262_144 } = given
    this.#provider = expectProvider('provider', provider, ['records']) ?? defaultAdapter()
    this.#name = name === undefined ? 'idempotency' : expectName('name', name)
    this.#ttl = expectDuration('ttl', ttl)
    this.#lease = expectDuration('lease', lease)
    this.#takeover = expectBoolean('takeover', options.takeover, false)
    this.#recover = recover === undefined ? undefined : expectFunction('recover', recover)
    this.#maxBytes = expectInteger('maxBytes', maxBytes, 1, 2 ** 29)
  }

  /**
   * Runs `work` unless the key has an outcome already, which is then the answer.
   *
   * The value is kept before this resolves. What is replayed is the value after a round through JSON.
   *
   * @throws InProgressError while another caller executes the key, once `wait` is over
   * @throws FingerprintMismatchError when the key was used with another fingerprint
   * @throws OutcomeUnknownError when an earlier execution was lost and nothing settles it
   * @throws NotReplayableError when it was executed but its value was not kept
   * @throws AbortedError when `signal` aborted before `work` ran
   * @throws LeaseLostError when the claim was lost while `recover` or `work` ran: another caller may have run it
   * @throws StoreUnavailableError when the store did not answer; with `outcome: 'unknown'` after `work` has run, it is
   * tried again in the background while the claim lasts
   */
  run<T extends V>(
    key: string,
    work: (context: ExecutionContext) => Promise<T> | T,
    options: RunOptions<T> = {},
  ): Promise<Executed<T>> {
    return observe('idempotency.execute', { name: this.#name }, async (watch) => {
      expectName('key', key)
      expectFunction('work', work)
      const terms = this.#terms(key, options)
      const { keep } = options
      // Found out after the work has run, it would leave an outcome that nobody knows.
      if (keep !== undefined) expectFunction('keep', keep)
      return await new Execution(terms, watch).run(work, keep)
    })
  }

  /**
   * Runs `work` in a transaction of the user's own database, in which its outcome is recorded too: exactly once.
   *
   * The transaction is begun on `client` and committed when `work` has resolved; whatever fails rolls it back, and the
   * next caller runs again. So does the next caller after a crash, without `takeover` and `recover`: what was not recorded
   * was rolled back. It needs a store that is the same database, such as a `PostgresAdapter`. In a transaction that
   * is repeatable read or serializable, let `lease` be three times what it takes: a renewal meanwhile is a conflict.
   * `work` must not end the transaction itself: what it has committed by then stays, and the outcome is unknown.
   *
   * @throws InvalidArgumentError when the provider has no transactions, when `client` is in one already, or when `work` has
   * ended the one that was begun here; the next caller gets an {@link OutcomeUnknownError} then
   * @throws StoreUnavailableError with `outcome: 'none'` when it was rolled back; with `outcome: 'unknown'` when no answer
   * came to the commit: the next caller gets the outcome if it was committed, and runs again if not
   * @throws LeaseLostError when another caller had taken the claim over meanwhile; it was rolled back
   *
   * Throws as {@link Idempotency.run} otherwise.
   *
   * @example
   * ```ts
   * import { Idempotency } from 'holdfast'
   * import { PostgresAdapter } from 'holdfast/postgres'
   * import { Pool } from 'pg'
   *
   * const pool = new Pool({ connectionString: process.env.DATABASE_URL })
   * const orders = new Idempotency({ provider: new PostgresAdapter(pool) })
   * const client = await pool.connect()
   * const { value, replayed } = await orders.transaction(client, 'order-1', async (tx) => {
   *   const { rows } = await tx.query('insert into orders (item) values ($1) returning id', ['book'])
   *   return { id: rows[0].id }
   * })
   * client.release()
   * console.log(value, replayed)
   * ```
   */
  transaction<C extends TransactionClient, T extends V>(
    client: C,
    key: string,
    work: (client: C, context: ExecutionContext) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<Executed<T>> {
    return observe('idempotency.execute', { name: this.#name }, async (watch) => {
      expectName('key', key)
      expectFunction('work', work)
      const { transactions } = this.#provider
      if (!transactions) {
        throw new InvalidArgumentError(
          'Expected `provider` to be a store with transactions, such as `new PostgresAdapter(pool)`',
        )
      }
      const execution = new Execution<T>(this.#terms(key, options), watch)
      return await execution.runIn({ client, transactions }, (context) => work(client, context))
    })
  }

  /**
   * Settles an outcome that is unknown: with its value, or so that the next caller runs again.
   *
   * @throws InProgressError while somebody still executes the key
   * @throws StoreUnavailableError when the store did not answer
   * @throws InvalidArgumentError when it is neither `{ value }` nor `{ retry: true }`
   */
  async resolve(key: string, resolution: NonNullable<Resolution<V>>): Promise<void> {
    expectName('key', key)
    expectResolution('resolution', resolution)
    const execution = new Execution<V>(this.#terms(key, {}), SILENT)
    await execution.settle(resolution)
  }

  #terms<T extends V>(key: string, options: RunOptions<T>): ExecutionTerms<T> {
    const { fingerprint, ttl, wait, signal } = expectOptions(options, 'such as `{ fingerprint }`')
    return {
      provider: this.#provider,
      key,
      name: this.#name,
      lease: this.#lease,
      takeover: this.#takeover,
      recover: this.#recover as Recover<T> | undefined,
      maxBytes: this.#maxBytes,
      ttl: ttl === undefined ? Math.max(this.#ttl, this.#lease) : expectDuration('ttl', ttl),
      fingerprint: fingerprint === undefined ? undefined : expectName('fingerprint', fingerprint),
      wait: expectWait('wait', wait),
      signal: expectSignal('signal', signal),
    }
  }
}

const SILENT: ExecuteWatch = { note: () => {}, link: () => {}, traceparent: undefined }
