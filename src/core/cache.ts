// Caches: this process's memory before a shared store, and one load for each key in all processes.
import { activeTraceparent } from '../telemetry/index.ts'
import { CacheEntries, type ReadLimits } from './cache-entries.ts'
import type { Loader, LoadTerms } from './cache-load.ts'
import type { CacheProvider } from './cache-store.ts'
import { encodeCached, freshFor } from './cached-value.ts'
import { defaultAdapter } from './default-adapter.ts'
import { InvalidArgumentError } from './errors.ts'
import {
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectNumber,
  expectOptions,
  expectProvider,
  expectShortName,
  expectSignal,
} from './expect.ts'

/** Options of a {@link Cache}. */
export interface CacheOptions {
  /** The store; default: the memory of this process. */
  readonly provider?: CacheProvider | undefined
  /**
   * Which cache it is, in the store and in telemetry: 1 to 48 letters, digits, `.`, `_` or `-`. Caches of one name and
   * store share their values.
   */
  readonly name: string
  /**
   * Milliseconds after which a value is stale.
   *
   * @defaultValue 60_000
   */
  readonly ttl?: number | undefined
  /**
   * Share of the ttl that is left when a value is loaded anew while it still serves: 0.2 refreshes after 80 %.
   *
   * @defaultValue 0
   */
  readonly refreshThreshold?: number | undefined
  /**
   * Milliseconds that a stale value is answered, while it is loaded anew behind its readers or cannot be loaded.
   *
   * @defaultValue 0
   */
  readonly staleFor?: number | undefined
  /**
   * How many values this process remembers, the most recently used ones; `false` for none.
   *
   * @defaultValue `{ maxEntries: 1_000 }`
   */
  readonly memory?: { readonly maxEntries: number } | false | undefined
  /** Milliseconds that a loaded `null` or `undefined` is kept; default: they are not, and every read loads. */
  readonly negativeTtl?: number | undefined
  /**
   * Milliseconds that a load may take, and that a reader waits at most.
   *
   * @defaultValue 30_000
   */
  readonly loadTimeout?: number | undefined
  /**
   * Milliseconds after which a load whose process died counts as ended; renewed while it runs.
   *
   * @defaultValue 10_000
   */
  readonly lease?: number | undefined
  /**
   * Bytes of JSON that a value may have; a larger one is answered and not kept.
   *
   * @defaultValue 1_048_576
   */
  readonly maxBytes?: number | undefined
}

/** Options of one read. */
export interface CacheGetOptions {
  /** Milliseconds after which the value is stale, if this call loads it; default: that of the {@link Cache}. */
  readonly ttl?: number | undefined
  /** Share of the ttl that is left when it is loaded anew; default: that of the {@link Cache}. */
  readonly refreshThreshold?: number | undefined
  /** Milliseconds to wait; default: the `loadTimeout` of the {@link Cache}. The load goes on without the caller. */
  readonly timeout?: number | undefined
  /** Ends the wait; a load that nobody waits for any more is aborted. */
  readonly signal?: AbortSignal | undefined
}

/** Options of one write. */
export interface CacheSetOptions {
  /** Milliseconds after which the value is stale; default: that of the {@link Cache}. */
  readonly ttl?: number | undefined
  /** Share of the ttl that is left when it is loaded anew; default: that of the {@link Cache}. */
  readonly refreshThreshold?: number | undefined
}

/** A value that a cache has. */
export interface CacheEntry<T> {
  readonly value: T
  /** Milliseconds since it was kept. */
  readonly age: number
  /** Whether its ttl is over. */
  readonly stale: boolean
}

const DEFAULTS: ReadLimits & CacheGetOptions = { timeout: undefined, signal: undefined }

/**
 * Values that are expensive to have, shared by all processes that share the store.
 *
 * A value that several ask for is loaded once in all processes together; the others wait for it. What changed while it
 * was loaded is not kept. Readers of a value share one object, which is what JSON makes of the loaded one: do not change
 * it. Without the store each process loads for itself, and serves what it remembers. It is no lock: a loader may run
 * twice after a crash or a stall.
 *
 * @example
 * ```ts
 * import { Cache, MemoryAdapter } from 'holdfast'
 *
 * const users = new Cache<{ id: string }>({
 *   provider: new MemoryAdapter(),
 *   name: 'users',
 *   ttl: 60_000,
 *   refreshThreshold: 0.2,
 *   staleFor: 300_000,
 * })
 * const user = await users.get('123', async () => ({ id: '123' }))
 * await users.delete('123')
 * console.log(user.id, await users.peek('123'))
 * ```
 */
export class Cache<V = unknown> {
  readonly #entries: CacheEntries
  readonly #ttl: number
  readonly #threshold: number
  readonly #staleFor: number
  readonly #negativeTtl: number | undefined
  readonly #maxBytes: number

  /** @throws InvalidArgumentError when an option is not of the documented form */
  constructor(options: CacheOptions) {
    const given = expectOptions(options, "such as `{ provider, name: 'users' }`")
    const { provider, name, ttl = 60_000, refreshThreshold = 0, staleFor = 0, negativeTtl } = given
    const { memory = { maxEntries: 1_000 }, loadTimeout = 30_000, lease = 10_000 } = given
    const { maxBytes = 1_048_576 } = given
    this.#ttl = expectDuration('ttl', ttl)
    this.#threshold = expectNumber('refreshThreshold', refreshThreshold, 0, 1)
    this.#staleFor = staleFor === 0 ? 0 : expectDuration('staleFor', staleFor)
    this.#negativeTtl =
      negativeTtl === undefined ? undefined : expectDuration('negativeTtl', negativeTtl)
    this.#maxBytes = expectInteger('maxBytes', maxBytes, 1, 2 ** 29)
    this.#entries = new CacheEntries({
      provider: expectProvider('provider', provider, ['records', 'signals']) ?? defaultAdapter(),
      name: expectShortName('name', name),
      maxEntries: readMemory(memory),
      lease: expectDuration('lease', lease),
      loadTimeout: expectDuration('loadTimeout', loadTimeout),
      maxBytes: this.#maxBytes,
      remembers: () => true,
    })
  }

  /**
   * The value of a key, loaded if need be; a stale one is answered at once and loaded anew behind the caller.
   *
   * An error of the loader reaches all who wait for this load, and is not kept.
   *
   * @throws TimeoutError when it took longer than `timeout` or `loadTimeout`
   * @throws AbortedError when the signal aborted first
   */
  async get<T extends V>(
    key: string,
    loader: Loader<T>,
    options: CacheGetOptions = DEFAULTS,
  ): Promise<T> {
    const held = this.#entries.recall(key)
    // Only keys that were looked at before are remembered.
    if (!held) expectName('key', key)
    const terms = this.#terms(key, expectFunction('loader', loader), options)
    const limits = options === DEFAULTS ? DEFAULTS : readLimits(options)
    if (held && !limits.signal?.aborted) return this.#entries.serve(held, terms)
    return await this.#entries.read(terms, limits)
  }

  /** The value that there is, without loading it; a stored `undefined` is an entry, a missing value is none. */
  async peek<T extends V>(key: string): Promise<CacheEntry<T> | undefined> {
    const found = await this.#entries.look<T>(expectName('key', key), this.#staleFor)
    return found && { value: found.value, age: found.age, stale: found.result === 'stale' }
  }

  /**
   * Keeps a value; what is being loaded meanwhile is not.
   *
   * @throws StoreUnavailableError when the store did not answer
   * @throws InvalidArgumentError when the value is not JSON, or larger than `maxBytes`
   */
  async set<T extends V>(key: string, value: T, options: CacheSetOptions = {}): Promise<void> {
    expectName('key', key)
    const { ttl, freshFor } = this.#times(options)
    const written = encodeCached({ value, ttl, freshFor }, this.#maxBytes)
    if ('why' in written) throw new InvalidArgumentError(`Not cached: ${written.why}`, { key })
    await this.#entries.set(key, {
      value: written.text,
      ttl: ttl + this.#staleFor,
      freshFor,
      meta: { traceparent: activeTraceparent() },
    })
  }

  /**
   * Removes a value from the store and from the memory of all processes; what is being loaded meanwhile is not kept.
   *
   * Answers whether there was one. After it has resolved, no reader of this process gets the old value; others as soon as
   * a message has reached them.
   *
   * @throws StoreUnavailableError when the store did not answer
   */
  async delete(key: string): Promise<boolean> {
    return await this.#entries.delete(expectName('key', key))
  }

  /** Removes all values of this cache, a few at a time. Throws as {@link Cache.delete}. */
  async clear(): Promise<void> {
    await this.#entries.clear()
  }

  #terms<T>(key: string, loader: Loader<T>, options: CacheSetOptions): LoadTerms<T> {
    const { ttl, freshFor } = this.#times(options)
    return {
      key,
      loader,
      ttl,
      freshFor,
      staleFor: this.#staleFor,
      negativeTtl: this.#negativeTtl,
    }
  }

  #times(options: CacheSetOptions): { ttl: number; freshFor: number } {
    const { ttl, refreshThreshold } = expectOptions(options, 'such as `{ ttl: 60_000 }`')
    const lasts = ttl === undefined ? this.#ttl : expectDuration('ttl', ttl)
    const left =
      refreshThreshold === undefined
        ? this.#threshold
        : expectNumber('refreshThreshold', refreshThreshold, 0, 1)
    return { ttl: lasts, freshFor: freshFor(lasts, left) }
  }
}

function readLimits({ timeout, signal }: CacheGetOptions): ReadLimits {
  return {
    timeout: timeout === undefined ? undefined : expectDuration('timeout', timeout),
    signal: expectSignal('signal', signal),
  }
}

function readMemory(memory: unknown): number {
  if (memory === false) return 0
  const { maxEntries } = expectOptions(
    memory as { readonly maxEntries: unknown },
    'or false: `memory: { maxEntries: 1_000 }`',
  )
  return expectInteger('maxEntries', maxEntries, 1, 1e7)
}
