// Semaphores: no more than N at a time, across all processes.
import { setLevel } from '../telemetry/index.ts'
import { acquire, type Granted, resourceOf, type Wanted } from './acquire.ts'
import { attemptId } from './attempt-id.ts'
import { defaultAdapter } from './default-adapter.ts'
import { AcquireTimeoutError, InvalidArgumentError } from './errors.ts'
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
import { SemaphoreTelling } from './grant-telling.ts'
import { Guard, type GuardTerms } from './guard.ts'
import type { AcquireOptions } from './lock.ts'
import type { Adapter, ResourceView } from './ports.ts'
import { callStore } from './store-call.ts'

/** Options of a {@link Semaphore}. */
export interface SemaphoreOptions {
  /** The store; default: the memory of this process. */
  readonly provider?: Adapter | undefined
  /** What is limited; required with a provider. */
  readonly key?: string | undefined
  /**
   * Milliseconds after which the permits of a holder that died come back.
   *
   * @defaultValue 30_000
   */
  readonly ttl?: number | undefined
  /**
   * How many callers of this process may wait for the key.
   *
   * @defaultValue 10_000
   */
  readonly maxWaiters?: number | undefined
  /**
   * The low-cardinality name of the semaphore in spans and metrics.
   *
   * @defaultValue `'semaphore'`
   */
  readonly name?: string | undefined
  /**
   * Whether the lease of a permit is renewed in the background while it is held.
   *
   * @defaultValue true
   */
  readonly autoExtend?: boolean | undefined
}

/** Options of one acquire of permits. */
export interface PermitOptions extends AcquireOptions {
  /**
   * How many permits, all or none.
   *
   * @defaultValue 1
   */
  readonly permits?: number | undefined
}

/** Held permits of a {@link Semaphore}. */
export class Permit extends Guard {
  /** How many permits are held. */
  readonly permits: number

  /** Made by {@link Semaphore.acquire}; not by users. */
  constructor(wanted: Wanted, granted: Granted, terms: GuardTerms) {
    super(wanted, granted, terms)
    this.permits = wanted.weight
  }
}

/**
 * A number of permits shared by all processes that share the store.
 *
 * First come, first served; several permits are taken all at once or not at all, and a large request is not overtaken
 * by small ones. The permits of a process that died come back after `ttl`.
 *
 * @example
 * ```ts
 * import { MemoryAdapter, Semaphore } from 'holdfast'
 *
 * const reports = new Semaphore(2, { provider: new MemoryAdapter(), key: 'reports' })
 * const permit = await reports.acquire({ timeout: 300 })
 * console.log(permit.permits)
 * await permit.release()
 * ```
 */
export class Semaphore {
  readonly #limit: number
  readonly #autoExtend: boolean
  readonly #name: string
  readonly #wanted: Omit<Wanted, 'telling' | 'weight'>

  /**
   * Makes a semaphore of `limit` permits.
   *
   * Processes that give different limits for one key each keep to their own.
   *
   * @throws InvalidArgumentError when an option is not of the documented form
   */
  constructor(limit: number, options: SemaphoreOptions = {}) {
    const given = expectOptions(options, 'such as `{ key }`')
    const { provider, key, name, ttl = 30_000, maxWaiters = 10_000 } = given
    this.#limit = expectInteger('limit', limit)
    const store = expectProvider('provider', provider, ['grants', 'signals'])
    if (store && key === undefined) {
      throw new InvalidArgumentError('Expected `key` beside `provider`: what is to be limited?')
    }
    this.#autoExtend = expectBoolean('autoExtend', options.autoExtend, true)
    this.#name = name === undefined ? 'semaphore' : expectName('name', name)
    this.#wanted = {
      adapter: store ?? defaultAdapter(),
      kind: 'semaphore',
      key: key === undefined ? attemptId() : expectName('key', key),
      capacity: this.#limit,
      exclusive: false,
      ttl: expectDuration('ttl', ttl),
      maxWaiters: expectInteger('maxWaiters', maxWaiters),
    }
    setLevel('semaphore.permit.limit', { name: this.#name }, this.#limit)
  }

  /** What is limited. */
  get key(): string {
    return this.#wanted.key
  }

  /** How many permits there are in all. */
  get limit(): number {
    return this.#limit
  }

  /**
   * Takes permits, waiting for one's turn.
   *
   * @throws AcquireTimeoutError when `timeout` passed first
   * @throws AbortedError when the signal aborted first
   * @throws StoreUnavailableError when the store did not answer: at once, or, while one waits with a `timeout`, at its end
   * @throws QueueFullError when `maxWaiters` callers of this process wait already
   */
  async acquire(options: PermitOptions | AbortSignal = {}): Promise<Permit> {
    const { timeout, signal, permits } = isSignal(options)
      ? { signal: options }
      : readPermits(options)
    const wanted = this.#want(permits)
    const granted = await acquire(wanted, {
      timeout: expectTimeout('timeout', timeout),
      signals: [expectSignal('signal', signal)],
    })
    if (granted) return this.#permit(wanted, granted)
    throw new AcquireTimeoutError(`'${this.key}' has no permit left (tried once)`, {
      key: this.key,
    })
  }

  /** Takes permits if they are free now; undefined when they are not. */
  async tryAcquire(options: Pick<PermitOptions, 'permits'> = {}): Promise<Permit | undefined> {
    const wanted = this.#want(expectOptions(options, 'such as `{ permits: 2 }`').permits)
    const granted = await acquire(wanted, { timeout: 0, signals: [] })
    return granted && this.#permit(wanted, granted)
  }

  /** Runs a function while a permit is held, and gives it back whatever happens. Throws as {@link Semaphore.acquire}. */
  async run<T>(
    work: (context: { readonly signal: AbortSignal }) => Promise<T> | T,
    options: PermitOptions = {},
  ): Promise<T> {
    expectFunction('work', work)
    const permit = await this.acquire(options)
    try {
      return await work({ signal: permit.signal })
    } finally {
      await permit[Symbol.asyncDispose]()
    }
  }

  /**
   * Who holds permits and who waits for them, in order.
   *
   * @throws StoreUnavailableError when the store did not answer
   */
  inspect(): Promise<ResourceView> {
    const { adapter, key } = this.#wanted
    return callStore(key, adapter.deadline, () => adapter.grants.inspect(resourceOf(this.#wanted)))
      .answer
  }

  #want(permits = 1): Wanted {
    const weight = expectInteger('permits', permits, 1, this.#limit)
    const telling = new SemaphoreTelling(this.#name, weight, this.#wanted.ttl)
    return { ...this.#wanted, telling, weight }
  }

  #permit(wanted: Wanted, granted: Granted): Permit {
    return new Permit(wanted, granted, { autoExtend: this.#autoExtend, over: () => {} })
  }
}

function readPermits(options: PermitOptions): PermitOptions {
  return expectOptions(options, 'such as `{ timeout: 1_000 }`, or an AbortSignal')
}

function isSignal(value: PermitOptions | AbortSignal): value is AbortSignal {
  return typeof (value as AbortSignal | null)?.addEventListener === 'function'
}
