// Entries that are kept warm: loaded before anybody asks, by one process at a time.
import { observe, quietly } from '../telemetry/index.ts'
import { onAbort } from './abort.ts'
import { CacheEntries } from './cache-entries.ts'
import { behind } from './cache-flight.ts'
import type { Loader, LoadTerms, Trigger } from './cache-load.ts'
import { freshFor } from './cached-value.ts'
import { after, now, type Timer } from './clock.ts'
import { defaultAdapter } from './default-adapter.ts'
import { ClosedError, InvalidArgumentError, TimeoutError } from './errors.ts'
import { emit } from './events.ts'
import {
  expectBoolean,
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectNumber,
  expectOptions,
  expectProvider,
  expectRatio,
  expectShortName,
  expectSignal,
  refuse,
} from './expect.ts'
import { Lock, type LockGuard } from './lock.ts'
import { Patience } from './patience.ts'
import type { Adapter } from './ports.ts'
import { asError, type Result } from './result.ts'
import type { Scope } from './scope.ts'

/** Options of a {@link CacheWarmer}. */
export interface CacheWarmerOptions {
  /**
   * Milliseconds after which the value of an entry is stale, where the entry does not say.
   *
   * @defaultValue 60_000
   */
  readonly defaultTTL?: number | undefined
  /**
   * Share of the ttl that is left when an entry is loaded anew, where the entry does not say.
   *
   * @defaultValue 0.2
   */
  readonly defaultRefreshThreshold?: number | undefined
  /**
   * Milliseconds between two looks at what is due.
   *
   * @defaultValue 10_000
   */
  readonly checkInterval?: number | undefined
  /**
   * Loads at a time.
   *
   * @defaultValue 4
   */
  readonly concurrency?: number | undefined
  /**
   * Which warmer it is, in the store and in telemetry. Of the warmers of one name, in all processes, one warms: they
   * should register the same entries.
   *
   * @defaultValue `'cache_warmer'`
   */
  readonly name?: string | undefined
  /**
   * Milliseconds that one load may take.
   *
   * @defaultValue 30_000
   */
  readonly loadTimeout?: number | undefined
}

/** An entry that is to be kept warm. */
export interface WarmedOptions<T> {
  /** Produces the value. */
  readonly fetcher: Loader<T>
  /** Milliseconds after which the value is stale; for as long again it is answered when it cannot be loaded. */
  readonly ttl?: number | undefined
  /** Share of the ttl that is left when the value is loaded anew: 0.2 refreshes after 80 %. */
  readonly refreshThreshold?: number | undefined
  /**
   * Whether the value is loaded anew before it ends, behind its readers. Otherwise it is loaded once at the start, and
   * then by the first reader that comes after its ttl, who waits for it.
   *
   * @defaultValue true
   */
  readonly backgroundRefresh?: boolean | undefined
  /** Told of every value that this process has loaded. */
  readonly onRefresh?: ((value: T) => void) | undefined
  /** Told when the fetcher has failed in this process. */
  readonly onError?: ((error: Error) => void) | undefined
}

/** Options of {@link CacheWarmer.ready}. */
export interface ReadyOptions {
  /** Milliseconds to wait; default: until the scope ends. */
  readonly timeout?: number | undefined
  /**
   * Share of the entries that must have a value.
   *
   * @defaultValue 1
   */
  readonly minRatio?: number | undefined
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
}

/** An entry that is kept warm. */
export interface WarmedEntry<T> {
  readonly key: string
  /** Its value, loaded if need be; a stale one is answered at once and loaded anew behind the caller. Never throws. */
  get(): Promise<Result<T>>
  /**
   * Removes the value, in all processes: it is loaded anew.
   *
   * @throws StoreUnavailableError when the store did not answer
   */
  invalidate(): Promise<void>
  /** Stops keeping it warm: what is read of it from now on is not remembered. */
  unregister(): void
}

interface Warmed {
  readonly terms: LoadTerms<unknown>
  readonly refreshes: boolean
  /** Whether it was seen to have a value. */
  warm: boolean
  /** Since when it has none. */
  readonly since: number
}

const LEADER_TTL = 15_000
/** How soon one that does not lead looks again for what it does not have yet. */
const LOOK_AGAIN = 1_000
/** How far apart checks and loads that began together drift, as shares. */
const CHECK_JITTER = 0.1
const LOAD_JITTER = 0.25

/**
 * Keeps registered entries loaded, so that nobody waits for them.
 *
 * Of the processes that share the store, one loads what is due; the others take over what it has loaded, and its place
 * when it ends. What it does not load within `checkInterval`, because it does not know the entry, another one does. The
 * warmer ends with its scope.
 *
 * @example
 * ```ts
 * import { CacheWarmer, MemoryAdapter, scope } from 'holdfast'
 *
 * const s = scope()
 * const warmer = new CacheWarmer(s, new MemoryAdapter(), { defaultTTL: 60_000, checkInterval: 10_000 })
 * const rates = warmer.register('rates', { fetcher: async () => ({ eur: 1.08 }), refreshThreshold: 0.2 })
 * await warmer.ready({ timeout: 5_000 })
 * const [error, value] = await rates.get()
 * console.log(error ?? value.eur, warmer.coverage())
 * await s[Symbol.asyncDispose]()
 * ```
 */
export class CacheWarmer {
  readonly #signal: AbortSignal
  readonly #name: string
  readonly #ttl: number
  readonly #threshold: number
  readonly #interval: number
  readonly #concurrency: number
  readonly #provider: Adapter
  readonly #entries: CacheEntries
  readonly #lock: Lock
  readonly #warmed = new Map<string, Warmed>()
  readonly #watchers = new Set<() => void>()
  #guard: LockGuard | undefined
  #timer: Timer | undefined
  #checking = false
  #again = false

  /** @throws InvalidArgumentError when an argument is not of the documented form */
  constructor(scope: Scope, provider?: Adapter, options: CacheWarmerOptions = {}) {
    const {
      defaultTTL = 60_000,
      defaultRefreshThreshold = 0.2,
      checkInterval = 10_000,
    } = expectOptions(options, 'such as `{ defaultTTL: 60_000 }`')
    const { concurrency = 4, name = 'cache_warmer', loadTimeout = 30_000 } = options
    this.#signal = signalOf(scope)
    this.#provider =
      expectProvider('provider', provider, ['grants', 'records', 'signals']) ??
      scope.provider ??
      defaultAdapter()
    this.#name = expectShortName('name', name)
    this.#ttl = expectDuration('defaultTTL', defaultTTL)
    this.#threshold = expectNumber('defaultRefreshThreshold', defaultRefreshThreshold, 0, 1)
    this.#interval = expectDuration('checkInterval', checkInterval)
    this.#concurrency = expectInteger('concurrency', concurrency)
    this.#entries = new CacheEntries({
      provider: this.#provider,
      name: this.#name,
      // What is registered is remembered, however much it is, and nothing else.
      maxEntries: Number.POSITIVE_INFINITY,
      remembers: (key) => this.#warmed.has(key),
      lease: 10_000,
      loadTimeout: expectDuration('loadTimeout', loadTimeout),
      maxBytes: 2 ** 29,
    })
    this.#lock = new Lock(this.#signal, {
      provider: this.#provider,
      key: `cache-warmer:${this.#name}`,
      name: this.#name,
      ttl: LEADER_TTL,
    })
    onAbort(this.#signal, () => this.#end())
  }

  /**
   * Keeps an entry warm from now on.
   *
   * @throws InvalidArgumentError when the key is registered already, or an option is not of the documented form
   * @throws ClosedError when the scope has ended
   */
  register<T>(key: string, options: WarmedOptions<T>): WarmedEntry<T> {
    expectName('key', key)
    const terms = this.#terms(key, options)
    if (this.#signal.aborted) throw new ClosedError('The scope of the warmer has ended', { key })
    if (this.#warmed.has(key)) {
      throw new InvalidArgumentError(`'${key}' is registered already: unregister it first`, { key })
    }
    const refreshes = expectBoolean('backgroundRefresh', options.backgroundRefresh, true)
    const known = terms as LoadTerms<unknown>
    const entry: Warmed = { terms: known, refreshes, warm: false, since: now() }
    this.#warmed.set(key, entry)
    this.#checkIn(0)
    return {
      key,
      get: () => this.#get(terms),
      invalidate: async () => {
        await this.#entries.delete(key)
        this.#checkIn(0)
      },
      unregister: () => {
        if (this.#warmed.get(key) !== entry) return
        this.#warmed.delete(key)
        this.#entries.forget(key)
      },
    }
  }

  /** The share of the entries that have a value in this process, from 0 to 1. */
  coverage(): number {
    const keys = [...this.#warmed.keys()]
    if (keys.length === 0) return 1
    return keys.filter((key) => this.#entries.has(key)).length / keys.length
  }

  /**
   * Resolves when enough entries have a value in this process: for a readiness probe, or before a server listens.
   *
   * @throws TimeoutError when `timeout` passed first
   * @throws ClosedError when the scope ended first
   */
  async ready(options: ReadyOptions = {}): Promise<void> {
    const { timeout, minRatio = 1, signal } = expectOptions(options, 'such as `{ timeout: 5_000 }`')
    expectRatio('minRatio', minRatio)
    const limits = {
      timeout: timeout === undefined ? undefined : expectDuration('timeout', timeout),
      signals: [expectSignal('signal', signal), this.#signal],
    }
    const tooLate = (): TimeoutError =>
      new TimeoutError(
        `${Math.floor(this.coverage() * 100)} % of the entries of '${this.#name}' are warm after ${timeout} ms`,
      )
    const patience = new Patience(limits, this.#name, tooLate)
    // A probe that finds all well changes nothing: the next check comes when it is due.
    if (this.coverage() >= minRatio) return patience.end()
    let look: () => void = () => {}
    const enough = new Promise<void>((resolve) => {
      look = () => {
        if (this.coverage() >= minRatio) resolve()
      }
    })
    this.#watchers.add(look)
    // Somebody waits: what is scheduled must keep the process alive.
    this.#checkIn(0)
    try {
      await patience.within(enough)
    } finally {
      this.#watchers.delete(look)
      patience.end()
      // Nobody waits any more: what is scheduled must not keep the process alive.
      if (this.#watchers.size === 0) this.#checkIn(this.#interval)
    }
  }

  async #get<T>(terms: LoadTerms<T>): Promise<Result<T>> {
    try {
      if (this.#signal.aborted) throw this.#signal.reason
      const limits = { timeout: undefined, signal: this.#signal }
      return [undefined, await this.#entries.read(terms, limits)]
    } catch (error) {
      return [asError(error), undefined]
    }
  }

  #terms<T>(key: string, options: WarmedOptions<T>): LoadTerms<T> {
    const given = expectOptions(options, 'such as `{ fetcher: async () => 42 }`')
    const { fetcher, ttl = this.#ttl, refreshThreshold = this.#threshold } = given
    const { onRefresh, onError } = given
    expectDuration('ttl', ttl)
    expectNumber('refreshThreshold', refreshThreshold, 0, 1)
    if (onRefresh !== undefined) expectFunction('onRefresh', onRefresh)
    if (onError !== undefined) expectFunction('onError', onError)
    const refreshes = given.backgroundRefresh !== false
    // Never before its time, and not all at once.
    const left = refreshes ? refreshThreshold * (1 - LOAD_JITTER * Math.random()) : 0
    return {
      key,
      loader: expectFunction('fetcher', fetcher),
      ttl,
      freshFor: freshFor(ttl, left),
      staleFor: refreshes ? ttl : 0,
      negativeTtl: ttl,
      loaded: onRefresh,
      failed: onError && ((error) => onError(asError(error))),
    }
  }

  #checkIn(ms: number): void {
    if (this.#checking) {
      this.#again ||= ms === 0
      return
    }
    this.#timer?.stop()
    if (this.#signal.aborted || this.#warmed.size === 0) return
    const ground = this.#watchers.size > 0 ? 'foreground' : 'background'
    this.#timer = after(ms, () => void behind(() => this.#check()), ground)
  }

  async #check(): Promise<void> {
    this.#checking = true
    let next = LOOK_AGAIN
    try {
      const leads = await this.#leads()
      await (leads ? this.#warm() : this.#follow())
      if (leads || this.coverage() === 1) {
        next = this.#interval * (1 - CHECK_JITTER * Math.random())
      }
    } catch (error) {
      emit(this.#provider.onEvent, { name: 'holdfast.cache.refresh.exception', error })
    } finally {
      this.#checking = false
      const again = this.#again
      this.#again = false
      this.#checkIn(again ? 0 : Math.min(next, this.#interval))
    }
  }

  /** Whether this process is the one that warms. */
  async #leads(): Promise<boolean> {
    if (this.#guard?.held) return true
    this.#guard = undefined
    try {
      this.#guard = await quietly(() => this.#lock.tryAcquire())
    } catch (error) {
      emit(this.#provider.onEvent, { name: 'holdfast.cache.fail_open', error })
    }
    return this.#guard !== undefined
  }

  async #warm(): Promise<void> {
    const due = this.#due()
    if (due.length > 0) await this.#loadAll(due, this.#concurrency)
  }

  /** Takes over what another process has loaded; loads what it has not, one after the other. */
  async #follow(): Promise<void> {
    const overdue: Warmed[] = []
    for (const entry of this.#due()) {
      const { key, staleFor } = entry.terms
      await quietly(() => this.#entries.look(key, staleFor))
      if (this.#entries.has(key)) this.#isWarm(entry)
      else if (now() - entry.since >= this.#interval) overdue.push(entry)
    }
    if (overdue.length > 0) await this.#loadAll(overdue, 1)
  }

  #due(): readonly Warmed[] {
    const due: Warmed[] = []
    for (const entry of this.#warmed.values()) {
      if (this.#entries.isFresh(entry.terms.key)) this.#isWarm(entry)
      else if (entry.refreshes || !entry.warm) due.push(entry)
    }
    return due
  }

  #loadAll(entries: readonly Warmed[], concurrency: number): Promise<void> {
    const facts = { name: this.#name, items: entries.length }
    return observe('cache.warm', facts, async (watch) => {
      const waiting = [...entries]
      let failed = 0
      const work = async (): Promise<void> => {
        for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
          if (this.#signal.aborted) return
          if (!(await this.#load(entry))) failed++
        }
      }
      await Promise.all(Array.from({ length: Math.min(concurrency, entries.length) }, work))
      watch.note({ failed, ...(failed > 0 && { outcome: 'error' }) })
    })
  }

  async #load(entry: Warmed): Promise<boolean> {
    const trigger: Trigger = entry.warm ? 'schedule' : 'startup'
    try {
      await this.#entries.refresh(entry.terms, trigger)
      this.#isWarm(entry)
      return true
    } catch {
      // The flight has told of it.
      return false
    }
  }

  #isWarm(entry: Warmed): void {
    entry.warm = true
    for (const look of this.#watchers) look()
  }

  #end(): void {
    this.#timer?.stop()
    this.#entries.close(this.#signal.reason)
  }
}

function signalOf(scope: Scope): AbortSignal {
  const { signal } = (scope ?? {}) as Partial<Scope>
  if (signal === undefined) refuse('scope', 'a Scope, such as `scope()`', scope)
  return expectSignal('scope.signal', signal) as AbortSignal
}
