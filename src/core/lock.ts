// Exclusive locks and read-write locks.
import { observe } from '../telemetry/index.ts'
import { acquire, type Granted, resourceOf, type Wanted } from './acquire.ts'
import { attemptId } from './attempt-id.ts'
import { defaultAdapter } from './default-adapter.ts'
import { AcquireTimeoutError, InvalidArgumentError, LeaseLostError } from './errors.ts'
import {
  expectBoolean,
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectOptions,
  expectProvider,
  expectSignal,
  expectTimeout,
} from './expect.ts'
import { type LockMode, LockTelling } from './grant-telling.ts'
import { Guard, type GuardTerms } from './guard.ts'
import { Holdings, providerOf } from './lifetime.ts'
import type { Adapter, ResourceView, TransactionClient } from './ports.ts'
import { callStore } from './store-call.ts'

/** Options of a {@link Lock}. */
export interface LockOptions {
  /** The store; default: the scope's, else the memory of this process. */
  readonly provider?: Adapter | undefined
  /** What is locked; required with a provider. Without either, the lock is private to this object. */
  readonly key?: string | undefined
  /**
   * Milliseconds after which a holder that died loses the lock.
   *
   * @defaultValue 30_000
   */
  readonly ttl?: number | undefined
  /** A label for `inspect()` and traces; never an identity. */
  readonly owner?: string | undefined
  /**
   * The low-cardinality name of the lock in spans and metrics.
   *
   * @defaultValue `'lock'`
   */
  readonly name?: string | undefined
  /**
   * Whether `read()` and `write()` may be used: many readers or one writer.
   *
   * @defaultValue false
   */
  readonly allowMultipleReaders?: boolean | undefined
  /**
   * Whether the lease is renewed in the background while it is held.
   *
   * @defaultValue true
   */
  readonly autoExtend?: boolean | undefined
  /** Milliseconds after which renewal stops and the guard counts as lost; default: never. */
  readonly maxHold?: number | undefined
  /**
   * How many callers of this process may wait for the key.
   *
   * @defaultValue 10_000
   */
  readonly maxWaiters?: number | undefined
}

/** Options of one acquire. */
export interface AcquireOptions {
  /**
   * Milliseconds to wait; 0 tries once; default: until the signal aborts.
   *
   * Who waits with a timeout keeps its place while the store is away; without one, an outage of about four seconds
   * ends the wait.
   */
  readonly timeout?: number | undefined
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
}

/** What the function of {@link Lock.run} is given. */
export interface LockContext {
  /** Aborts when the lock is lost. */
  readonly signal: AbortSignal
  /** The fencing token, to be sent along with every write that the lock protects. */
  readonly fencingToken: number
}

/** What is wanted of a lock. */
type WantedLock = Wanted & { readonly telling: LockTelling }

/**
 * A held lock.
 *
 * @example
 * ```ts
 * import { Lock } from 'holdfast'
 *
 * const lock = new Lock(undefined, { key: 'orders:42' })
 * const guard = await lock.acquire({ timeout: 1_000 })
 * guard.assertHeld()
 * console.log(guard.fencingToken, await guard.release())
 * ```
 */
export class LockGuard extends Guard {
  /**
   * A number that is greater for every later exclusive holder, also after the store lost its data.
   *
   * Let the protected resource refuse a smaller one than it has seen (Kleppmann, "How to do distributed locking").
   * Readers of one phase share the token of the last writer.
   */
  readonly fencingToken: number
  readonly #wanted: WantedLock

  /** Made by {@link Lock.acquire}; not by users. */
  constructor(wanted: WantedLock, granted: Granted, terms: GuardTerms) {
    super(wanted, granted, terms)
    this.#wanted = wanted
    this.fencingToken = granted.token
  }

  /**
   * Makes a transaction of the user's own database one that only this holder, or a later one, can commit.
   *
   * Call it first in the transaction: from then until its end no other holder's transaction is let in, and after it no
   * earlier holder's. That is exclusion which a stopped process cannot break, because the fence and the data commit
   * together. It needs a store that is the same database, such as a `PostgresAdapter`.
   *
   * @throws LeaseLostError when the lock is lost, or a later holder has been here: roll the transaction back
   * @throws InvalidArgumentError when the provider has no transactions, or when `client` is in none
   * @throws StoreUnavailableError when the database did not answer, or another holder's transaction did not end in time
   * @example
   * ```ts
   * import { Lock } from 'holdfast'
   * import { PostgresAdapter } from 'holdfast/postgres'
   * import { Pool } from 'pg'
   *
   * const pool = new Pool({ connectionString: process.env.DATABASE_URL })
   * const lock = new Lock(undefined, { provider: new PostgresAdapter(pool), key: 'orders:42' })
   * const guard = await lock.acquire({ timeout: 2_000 })
   * const client = await pool.connect()
   * try {
   *   await client.query('begin')
   *   await guard.fence(client)
   *   await client.query('update orders set state = $1 where id = $2', ['shipped', 42])
   *   await client.query('commit')
   * } catch (error) {
   *   await client.query('rollback')
   *   throw error
   * } finally {
   *   client.release()
   *   await guard.release()
   * }
   * ```
   */
  fence(client: TransactionClient): Promise<void> {
    const { adapter, key, telling } = this.#wanted
    return telling.fence(this.fencingToken, async () => {
      const { transactions } = adapter
      if (!transactions) {
        throw new InvalidArgumentError(
          'Expected the `provider` of the lock to be a store with transactions, such as `new PostgresAdapter(pool)`',
          { key },
        )
      }
      this.assertHeld()
      const resource = resourceOf(this.#wanted)
      const raise = () => transactions.fence(client, resource, this.fencingToken)
      if (await callStore(key, adapter.deadline, raise).answer) return
      throw new LeaseLostError(
        `A later holder of lock '${key}' has been here; roll the transaction back`,
        { key },
      )
    })
  }
}

const WRITER = 1_000_000

/**
 * A lock that one holder, or many readers, can have at a time, across all processes that share the store.
 *
 * First come, first served. A holder that dies is replaced after `ttl`; one that is paused for longer learns it from
 * `guard.signal` and `guard.assertHeld()`, and what it still writes can be refused by its fencing token.
 *
 * @example
 * ```ts
 * import { Lock, MemoryAdapter, scope } from 'holdfast'
 *
 * const s = scope()
 * const lock = new Lock(s.signal, { provider: new MemoryAdapter(), key: 'orders:42', ttl: 30_000 })
 * const shipped = await lock.run(async ({ fencingToken }) => fencingToken > 0, { timeout: 2_000 })
 * console.log(shipped)
 * await s[Symbol.asyncDispose]()
 * ```
 */
export class Lock {
  readonly #signal: AbortSignal | undefined
  readonly #name: string
  readonly #wanted: Omit<Wanted, 'telling' | 'exclusive' | 'weight' | 'capacity'>
  readonly #shared: boolean
  readonly #autoExtend: boolean
  readonly #maxHold: number | undefined
  readonly #holdings: Holdings
  #readers = 0
  /** What is wanted in each mode. */
  readonly #wants = new Map<LockMode, WantedLock>()

  /**
   * Makes a lock that ends with `signal`: its waiters reject and its guards are released.
   *
   * @throws InvalidArgumentError when an option is not of the documented form
   */
  constructor(signal: AbortSignal | undefined, options: LockOptions = {}) {
    const given = expectOptions(options, 'such as `{ key }`')
    const { provider, key, owner, name, ttl = 30_000, maxHold, maxWaiters = 10_000 } = given
    this.#signal = expectSignal('signal', signal)
    const store = expectProvider('provider', provider, ['grants', 'signals']) ?? providerOf(signal)
    if (store && key === undefined) {
      throw new InvalidArgumentError('Expected `key` beside `provider`: what is to be locked?')
    }
    this.#name = name === undefined ? 'lock' : expectName('name', name)
    this.#wanted = {
      adapter: store ?? defaultAdapter(),
      kind: 'lock',
      key: key === undefined ? attemptId() : expectName('key', key),
      ttl: expectDuration('ttl', ttl),
      owner: owner === undefined ? undefined : expectName('owner', owner),
      maxWaiters: expectInteger('maxWaiters', maxWaiters),
      advice: undefined,
    }
    this.#shared = expectBoolean('allowMultipleReaders', options.allowMultipleReaders, false)
    this.#autoExtend = expectBoolean('autoExtend', options.autoExtend, true)
    this.#maxHold = maxHold === undefined ? undefined : expectDuration('maxHold', maxHold)
    this.#holdings = new Holdings(this.#signal)
  }

  /** What is locked. */
  get key(): string {
    return this.#wanted.key
  }

  /**
   * Takes the lock for oneself alone, waiting for one's turn.
   *
   * @throws AcquireTimeoutError when `timeout` passed first
   * @throws AbortedError when the signal aborted first
   * @throws StoreUnavailableError when the store did not answer: at once, or, while one waits with a `timeout`, at its end
   * @throws QueueFullError when `maxWaiters` callers of this process wait already
   */
  acquire(options: AcquireOptions = {}): Promise<LockGuard> {
    return this.#acquire(this.#shared ? 'write' : 'exclusive', options)
  }

  /** Takes the lock if it is free now; undefined when it is not. */
  tryAcquire(): Promise<LockGuard | undefined> {
    return this.#try(this.#shared ? 'write' : 'exclusive')
  }

  /**
   * Takes the lock together with other readers; needs `allowMultipleReaders`.
   *
   * Readers that come after a waiting writer wait for it, so that no writer starves. Throws as {@link Lock.acquire}.
   */
  async read(options: AcquireOptions = {}): Promise<LockGuard> {
    this.#expectShared('read')
    return this.#acquire('read', options)
  }

  /** Takes the lock for reading if that is possible now; undefined when it is not. */
  async tryRead(): Promise<LockGuard | undefined> {
    this.#expectShared('tryRead')
    return this.#try('read')
  }

  /**
   * Takes the lock for writing, alone; needs `allowMultipleReaders`.
   *
   * It waits for every reader, one's own included: release them first. Throws as {@link Lock.acquire}.
   */
  async write(options: AcquireOptions = {}): Promise<LockGuard> {
    this.#expectShared('write')
    return this.#acquire('write', options)
  }

  /** Takes the lock for writing if it is free now; undefined when it is not. */
  async tryWrite(): Promise<LockGuard | undefined> {
    this.#expectShared('tryWrite')
    return this.#try('write')
  }

  /**
   * Runs a function while the lock is held, with a span around both, and releases it whatever happens.
   *
   * The function's own result or error always wins over a failed release. Throws as {@link Lock.acquire}.
   */
  async run<T>(
    work: (context: LockContext) => Promise<T> | T,
    options: AcquireOptions = {},
  ): Promise<T> {
    expectFunction('work', work)
    const mode = this.#shared ? 'write' : 'exclusive'
    return observe('lock.run', { name: this.#name, mode }, async (watch) => {
      const guard = await this.#acquire(mode, options)
      try {
        return await work({ signal: guard.signal, fencingToken: guard.fencingToken })
      } finally {
        watch.note({ releaseReason: guard.held ? 'released' : 'lost' })
        await guard[Symbol.asyncDispose]()
      }
    })
  }

  /**
   * Who holds the lock and who waits for it, in order, with their owners and traces.
   *
   * @throws StoreUnavailableError when the store did not answer
   */
  inspect(): Promise<ResourceView> {
    const { adapter, key } = this.#wanted
    return callStore(key, adapter.deadline, () => adapter.grants.inspect(resourceOf(this.#wanted)))
      .answer
  }

  async #acquire(mode: LockMode, options: AcquireOptions): Promise<LockGuard> {
    const { timeout, signal } = expectOptions(options, 'such as `{ timeout: 1_000 }`')
    const limits = {
      timeout: expectTimeout('timeout', timeout),
      signals: [expectSignal('signal', signal), this.#signal],
    }
    const wanted = this.#want(mode)
    const granted = await acquire(wanted, limits)
    if (granted) return this.#guard(mode, wanted, granted)
    throw new AcquireTimeoutError(`'${this.key}' is locked (tried once)`, { key: this.key })
  }

  async #try(mode: LockMode): Promise<LockGuard | undefined> {
    const wanted = this.#want(mode)
    const granted = await acquire(wanted, { timeout: 0, signals: [this.#signal] })
    return granted && this.#guard(mode, wanted, granted)
  }

  #want(mode: LockMode): WantedLock {
    const known = this.#wants.get(mode)
    if (known) return known
    const { ttl, owner } = this.#wanted
    const wanted: WantedLock = {
      ...this.#wanted,
      telling: new LockTelling(this.#name, mode, ttl, owner),
      exclusive: mode !== 'read',
      weight: mode === 'write' ? WRITER : 1,
      capacity: mode === 'exclusive' ? 1 : WRITER,
      advice: () =>
        mode === 'write' && this.#readers > 0
          ? `this Lock itself holds ${this.#readers} read guard${this.#readers > 1 ? 's' : ''}, which a write waits for; release them before write()`
          : undefined,
    }
    this.#wants.set(mode, wanted)
    return wanted
  }

  #guard(mode: LockMode, wanted: WantedLock, granted: Granted): LockGuard {
    const reader = mode === 'read' ? 1 : 0
    this.#readers += reader
    const guard = new LockGuard(wanted, granted, {
      autoExtend: this.#autoExtend,
      maxHold: this.#maxHold,
      over: (ended) => {
        this.#readers -= reader
        this.#holdings.delete(ended)
      },
    })
    this.#holdings.add(guard)
    return guard
  }

  #expectShared(method: string): void {
    if (this.#shared) return
    throw new InvalidArgumentError(`${method}() needs \`allowMultipleReaders: true\``, {
      key: this.key,
    })
  }
}
