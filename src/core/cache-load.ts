// One load of a value by this process: under a claim that is renewed, bounded in time, and kept unless it was overtaken.
import { level, observe, type Watch } from '../telemetry/index.ts'
import { type CacheStore, type Claim, heldFrom } from './cache-store.ts'
import { type CachedValue, decodeCached, encodeCached } from './cached-value.ts'
import { after, now, type Timer } from './clock.ts'
import { TimeoutError } from './errors.ts'
import { callBack, emit, type HoldfastEvent } from './events.ts'
import { Lease } from './lease.ts'
import type { Held } from './memory-tier.ts'

/** What a loader is given. */
export interface LoadContext {
  readonly key: string
  /** Aborts when the load took longer than `loadTimeout`, and when nobody waits for it any more. */
  readonly signal: AbortSignal
}

/** Produces the value of a key; it may run again at any time, also twice at once after a crash or a stall. */
export type Loader<T> = (context: LoadContext) => Promise<T> | T

/** Why a value is loaded. */
export type Trigger = 'miss' | 'stale' | 'schedule' | 'startup'

/** How a read was answered. */
export type CacheResult = 'hit' | 'stale' | 'miss'

/** What is to be had, and how long it lasts; times are in milliseconds. */
export interface LoadTerms<T> {
  readonly key: string
  readonly loader: Loader<T>
  readonly ttl: number
  /** After this it is loaded anew, while it still serves. */
  readonly freshFor: number
  /** How long it serves after its ttl, while it cannot be loaded. */
  readonly staleFor: number
  /** How long null and undefined last; they are not kept where this is undefined. */
  readonly negativeTtl: number | undefined
  /** Told of what this process has loaded. */
  readonly loaded?: ((value: T) => unknown) | undefined
  readonly failed?: ((error: unknown) => unknown) | undefined
}

/** A value for those who wait. */
export interface Answer<T> {
  readonly value: T
  readonly result: CacheResult
  readonly age: number
  /** Of the load that it came from. */
  readonly traceparent: string | undefined
  /** Whoever came later than this may not have it: a change that they know of may be newer. */
  readonly asOf: number
}

/** What a load needs of the cache that it is for. */
export interface LoadGround {
  readonly store: CacheStore
  readonly name: string
  readonly lease: number
  readonly loadTimeout: number
  readonly maxBytes: number
  /** A number greater than all before: the order of callers and of what the store is asked. */
  tick(): number
  /** Forgets what is remembered: it is not true any more. */
  forget(key: string): void
}

/** Why a value is loaded, and what there is of it. */
export interface LoadCause<T> {
  /** Undefined where the store could not be asked for one. */
  readonly claim: Claim | undefined
  /** What is better than an error. */
  readonly stale: Held<T> | undefined
  readonly trigger: Trigger
  /** The W3C traceparent of what set it off, where it is not part of that. */
  readonly from: string | undefined
  /** Whether somebody would hear of an error. */
  readonly awaited: boolean
}

/** The flight that a load is part of. */
export interface Loading {
  /** Ends the load, as far as the loader heeds it. */
  readonly abortion: AbortController
  /** The load has begun, in this span. */
  begun(traceparent: string | undefined): void
  /** Remembers the value. */
  adopt(held: Held, asOf: number): void
}

const SHORTEST_REST = 1_000
const LONGEST_REST = 10_000

/** A load; `run` it once. */
export class Load<T> {
  readonly #terms: LoadTerms<T>
  readonly #ground: LoadGround
  readonly #cause: LoadCause<T>
  readonly #flight: Loading

  constructor(terms: LoadTerms<T>, ground: LoadGround, cause: LoadCause<T>, flight: Loading) {
    this.#terms = terms
    this.#ground = ground
    this.#cause = cause
    this.#flight = flight
  }

  /** Loads the value and keeps it; when that fails, a stale one is the answer. */
  async run(): Promise<Answer<T>> {
    const { name } = this.#ground
    const { trigger, from } = this.#cause
    level('cache.refresh.active', { name }, 1)
    try {
      return await observe('cache.refresh', { name, trigger }, async (watch) => {
        watch.link(from)
        this.#flight.begun(watch.traceparent)
        const begun = this.#ground.tick()
        const answer = await this.#keep(await this.#load(), begun, watch)
        this.#callBack(() => this.#terms.loaded?.(answer.value))
        return answer
      })
    } catch (error) {
      return await this.#failed(error)
    } finally {
      level('cache.refresh.active', { name }, -1)
    }
  }

  async #load(): Promise<T> {
    const { key, loader } = this.#terms
    const { loadTimeout } = this.#ground
    const { claim } = this.#cause
    const { abortion } = this.#flight
    const lease = claim && this.#hold(claim)
    let timer: Timer | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const expire = (): void => {
        const error = new TimeoutError(`Loading '${key}' took longer than ${loadTimeout} ms`, {
          key,
        })
        reject(error)
        abortion.abort(error)
      }
      timer = after(loadTimeout, expire, 'background')
    })
    try {
      const loading = (async () => loader({ key, signal: abortion.signal }))()
      return await Promise.race([loading, late])
    } finally {
      timer?.stop()
      lease?.end()
    }
  }

  #hold(claim: Claim): Lease {
    const { key } = claim
    return new Lease({
      subject: `load of '${key}'`,
      key,
      ttl: this.#ground.lease,
      sentAt: claim.sentAt,
      autoExtend: true,
      renew: (ttl) => this.#ground.store.renew(claim, ttl),
      // The store refuses what is loaded without a claim: nothing else depends on it.
      lost: () => {},
    })
  }

  async #keep(value: T, begun: number, watch: Watch<'cache.refresh'>): Promise<Answer<T>> {
    const { key, staleFor } = this.#terms
    const { store } = this.#ground
    const { claim } = this.#cause
    const meta = { traceparent: watch.traceparent }
    const unkept = { value, result: 'miss', age: 0, ...meta, asOf: begun } as const
    const written = this.#write(value)
    if (!written) {
      watch.note({ outcome: 'not_kept' })
      this.#ground.forget(key)
      if (claim) await store.giveUp(claim, this.#cause.stale !== undefined)
      return unkept
    }
    const { text, ttl, freshFor } = written
    const asOf = this.#ground.tick()
    // What everybody else will read: nobody shall depend on having loaded it himself.
    const cached = decodeCached<T>(text, key) as CachedValue<T>
    const held = heldFrom(cached, { age: 0, meta }, now(), staleFor)
    const answer = { ...unkept, value: cached.value }
    if (!claim) {
      // While nobody can be asked there is nothing to miss; once the store is back, it may have changed since.
      this.#flight.adopt(held, begun)
      return { ...answer, asOf: store.away ? Number.POSITIVE_INFINITY : begun }
    }
    const kept = await store.keep(claim, { value: text, ttl: ttl + staleFor, freshFor, meta })
    if (kept) {
      this.#flight.adopt(held, asOf)
      return { ...answer, asOf }
    }
    watch.note({ outcome: kept === undefined ? 'not_kept' : 'overtaken' })
    this.#ground.forget(key)
    return answer
  }

  /** The value as it is kept, with its times; undefined when it is not. */
  #write(value: T): { text: string; ttl: number; freshFor: number } | undefined {
    const { key, negativeTtl } = this.#terms
    const absent = value === null || value === undefined
    if (absent && negativeTtl === undefined) return undefined
    const ttl = absent && negativeTtl !== undefined ? negativeTtl : this.#terms.ttl
    const freshFor = absent ? ttl : this.#terms.freshFor
    const written = encodeCached({ value, ttl, freshFor }, this.#ground.maxBytes)
    if ('text' in written) return { text: written.text, ttl, freshFor }
    const message = `'${key}' is not cached: ${written.why}`
    this.#emit({ name: 'holdfast.cache.not_kept', key, message })
    return undefined
  }

  async #failed(error: unknown): Promise<Answer<T>> {
    const { key, ttl } = this.#terms
    const { store } = this.#ground
    const { claim, stale, awaited } = this.#cause
    this.#callBack(() => this.#terms.failed?.(error))
    if (!awaited) this.#emit({ name: 'holdfast.cache.refresh.exception', key, error })
    if (!stale || isOver(stale)) {
      if (claim) store.drop(claim)
      throw error
    }
    const rest = Math.min(Math.max(ttl / 10, SHORTEST_REST), LONGEST_REST)
    const ms = Math.max(1, Math.ceil(Math.min(rest, stale.usableUntil - now())))
    stale.restsUntil = now() + ms
    if (claim) await store.rest(claim, ms)
    return answerOf(stale, this.#ground.tick())
  }

  #callBack(call: () => unknown): void {
    callBack(call, { key: this.#terms.key, onEvent: this.#ground.store.provider.onEvent })
  }

  #emit(event: HoldfastEvent): void {
    emit(this.#ground.store.provider.onEvent, event)
  }
}

/** Whether a value is not even better than an error. */
export function isOver(held: Held | undefined): boolean {
  return held !== undefined && now() >= held.usableUntil
}

/** What is held, for a caller. */
export function answerOf<T>(held: Held<T>, asOf: number): Answer<T> {
  const time = now()
  return {
    value: held.value,
    result: time < held.endsAt ? 'hit' : 'stale',
    age: time - held.keptAt,
    traceparent: held.traceparent,
    asOf,
  }
}
