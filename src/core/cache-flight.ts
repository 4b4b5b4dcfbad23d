// One flight for a key in this process: it asks the store, and loads the value or waits for whoever loads it.
import { activeTraceparent, apart, level, observe, type Watch } from '../telemetry/index.ts'
import { type CacheStore, type Claim, type Found, heldFrom } from './cache-store.ts'
import { decodeCached, encodeCached } from './cached-value.ts'
import { after, now, type Timer } from './clock.ts'
import { outside } from './current-scope.ts'
import { AbortedError, TimeoutError } from './errors.ts'
import { emit } from './events.ts'
import { Lease } from './lease.ts'
import type { Held } from './memory-tier.ts'
import type { Patience } from './patience.ts'

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

/** A reader who waits. */
export interface Waiting {
  readonly signal: AbortSignal | undefined
  /** Its patience, where it was given any. */
  readonly patience: Patience | undefined
  /** Its patience for a load, which takes longer than an answer of the store. */
  endure(): Patience
}

/** What a flight needs of the cache that it flies for. */
export interface Airfield {
  readonly store: CacheStore
  readonly name: string
  readonly lease: number
  readonly loadTimeout: number
  readonly maxBytes: number
  /** A number greater than all before: the order of callers and of what the store is asked. */
  tick(): number
  /** Milliseconds after which to look whether a message was lost. */
  lookAgain(): number
  /** A message was lost. */
  missed(): void
  /** What is remembered of a key and still better than an error. */
  remembered(key: string): Held | undefined
  /** Remembers a value, unless it has changed since the flight began, or may have since it was confirmed. */
  adopt(flight: Flight<unknown>, held: Held, asOf: number): void
  /** Forgets what is remembered: it is not true any more. */
  forget(key: string): void
  /** From now on callers start another flight: this one has no more to answer, or was given up. */
  stepAside(flight: Flight<unknown>): void
  /** The flight is over. */
  ended(flight: Flight<unknown>): void
}

/** How a flight came to be. */
export interface Occasion {
  /** Why it flies, where no caller waits for it; otherwise it is a miss, or what it finds to be stale. */
  readonly trigger?: Trigger | undefined
  /** The W3C traceparent of the caller that set it off and does not wait. */
  readonly from?: string | undefined
}

/** A load has begun, here or elsewhere. */
interface LoadBegun {
  readonly here: boolean
  readonly traceparent: string | undefined
}

const SHORTEST_REST = 1_000
const LONGEST_REST = 10_000

/** A flight; `launch` it once. */
export class Flight<T> {
  readonly key: string
  /** Whether the value was set or removed since it began: what it brings is not to be remembered. */
  overtaken = false
  readonly #terms: LoadTerms<T>
  readonly #field: Airfield
  readonly #occasion: Occasion
  #controller: AbortController | undefined
  /** The value, or that it will take a load to have it: whatever comes first. */
  readonly #news: Promise<Answer<T> | LoadBegun>
  #tell: (news: Answer<T> | LoadBegun) => void = () => {}
  #refuse: (error: unknown) => void = () => {}
  #landing: Promise<Answer<T>> | undefined
  #wanted = 0
  #over = false
  #heard = false
  #wake: (() => void) | undefined

  constructor(terms: LoadTerms<T>, field: Airfield, occasion: Occasion = {}) {
    this.key = terms.key
    this.#terms = terms
    this.#field = field
    this.#occasion = occasion
    this.#news = new Promise((resolve, reject) => {
      this.#tell = resolve
      this.#refuse = reject
    })
    this.#news.catch(() => {})
  }

  /** Sets off, once; answers when it is over, which may be after everybody was answered. */
  launch(): Promise<Answer<T>> {
    if (!this.#landing) {
      this.#landing = this.#fly()
      this.#landing.then(
        (answer) => {
          this.#end()
          this.#tell(answer)
        },
        (error: unknown) => {
          this.#end()
          this.#refuse(error)
        },
      )
    }
    return this.#landing
  }

  /** The answer for one more caller; `first` is the one in whose trace it flies. */
  async join(reader: Waiting, first: boolean): Promise<Answer<T>> {
    this.#wanted++
    try {
      const news = await (reader.patience?.within(this.#news) ?? this.#news)
      if (!('here' in news)) return news
      const landing = this.launch()
      const patience = reader.endure()
      if (news.here && first) return await patience.within(landing)
      return await observe('cache.wait', { name: this.#field.name }, async (watch) => {
        if (news.here) watch.link(news.traceparent)
        const answer = await patience.within(landing)
        // Of another process, which has told the span of its load together with the value.
        if (!news.here) watch.link(answer.traceparent ?? news.traceparent)
        return answer
      })
    } catch (error) {
      // One whose time is up still wants the value to be there when it asks again; one that has aborted does not.
      if (reader.signal?.aborted) this.#leave()
      throw error
    }
  }

  /** Something has happened to the key, here or elsewhere. */
  hear(): void {
    this.#heard = true
    this.#wake?.()
  }

  /** Ends the flight, as far as the loader heeds its signal. */
  abort(reason: unknown): void {
    // Of two reasons the first one counts.
    this.#abortion.abort(reason)
    this.#wake?.()
  }

  get #abortion(): AbortController {
    this.#controller ??= new AbortController()
    return this.#controller
  }

  #end(): void {
    this.#over = true
    this.#field.ended(this as Flight<unknown>)
  }

  #leave(): void {
    this.#wanted--
    if (this.#wanted > 0 || this.#over || this.#occasion.trigger) return
    this.#field.stepAside(this as Flight<unknown>)
    this.abort(new AbortedError(`Nobody waits for '${this.key}' any more`, { key: this.key }))
  }

  async #fly(): Promise<Answer<T>> {
    const { key, staleFor } = this.#terms
    const { store } = this.#field
    for (let unheard = false; ; ) {
      const asOf = this.#field.tick()
      this.#heard = false
      const found = await store.ask<T>(key, staleFor, this.#from())
      this.#expectWanted(found)
      if (found.state === 'done') {
        if (unheard) this.#field.missed()
        return this.#found(found.held, asOf)
      }
      if (found.state === 'unknown') {
        const stale = this.#field.remembered(key) as Held<T> | undefined
        if (stale && now() < stale.freshUntil) return answerOf(stale, asOf)
        return this.#load(undefined, stale, this.#occasion.trigger ?? 'miss', this.#occasion.from)
      }
      const stale = isOver(found.stale) ? undefined : found.stale
      if (found.state === 'claimed') return this.#claimed(found.claim, stale, asOf)
      if (stale) {
        stale.restsUntil = now() + this.#field.lookAgain()
        return this.#found(stale, asOf)
      }
      this.#tell({ here: false, traceparent: found.traceparent })
      await this.#sleep(found.retryAfter)
      unheard = !this.#heard
      this.#expectWanted(found)
    }
  }

  /** Ends the flight when everybody has gone meanwhile. */
  #expectWanted(found: Found<T>): void {
    const signal = this.#controller?.signal
    if (!signal?.aborted) return
    if (found.state === 'claimed') this.#field.store.drop(found.claim)
    throw signal.reason
  }

  #from(): string | undefined {
    return this.#occasion.from ?? activeTraceparent()
  }

  #found(held: Held<T>, asOf: number): Answer<T> {
    this.#field.adopt(this as Flight<unknown>, held, asOf)
    return answerOf(held, asOf)
  }

  #claimed(claim: Claim, stale: Held<T> | undefined, asOf: number): Promise<Answer<T>> {
    const { trigger, from } = this.#occasion
    if (!stale) return this.#load(claim, undefined, trigger ?? 'miss', from)
    stale.restsUntil = now() + this.#field.lookAgain()
    this.#field.stepAside(this as Flight<unknown>)
    this.#tell(this.#found(stale, asOf))
    if (trigger) return this.#load(claim, stale, trigger, from)
    const caller = activeTraceparent()
    // The caller has its answer: what follows is not part of its work.
    return behind(() => this.#load(claim, stale, 'stale', caller))
  }

  async #load(
    claim: Claim | undefined,
    stale: Held<T> | undefined,
    trigger: Trigger,
    from: string | undefined,
  ): Promise<Answer<T>> {
    const { name, loadTimeout } = this.#field
    level('cache.refresh.active', { name }, 1)
    try {
      return await observe('cache.refresh', { name, trigger }, async (watch) => {
        watch.link(from)
        this.#tell({ here: true, traceparent: watch.traceparent })
        const begun = this.#field.tick()
        const value = await this.#run(claim, loadTimeout)
        const answer = await this.#keep(value, claim, stale !== undefined, begun, watch)
        this.#callBack(() => this.#terms.loaded?.(answer.value))
        return answer
      })
    } catch (error) {
      return await this.#failed(error, claim, stale)
    } finally {
      level('cache.refresh.active', { name }, -1)
    }
  }

  async #run(claim: Claim | undefined, timeout: number): Promise<T> {
    const { key, loader } = this.#terms
    const { signal } = this.#abortion
    const lease = claim && this.#hold(claim)
    let timer: Timer | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const expire = (): void => {
        const error = new TimeoutError(`Loading '${key}' took longer than ${timeout} ms`, { key })
        reject(error)
        this.abort(error)
      }
      timer = after(timeout, expire, 'background')
    })
    try {
      const loading = (async () => loader({ key, signal }))()
      return await Promise.race([loading, late])
    } finally {
      timer?.stop()
      lease?.end()
    }
  }

  #hold(claim: Claim): Lease {
    return new Lease({
      subject: `load of '${this.key}'`,
      key: this.key,
      ttl: this.#field.lease,
      sentAt: claim.sentAt,
      autoExtend: true,
      renew: (ttl) => this.#field.store.renew(claim, ttl),
      // The store refuses what is loaded without a claim: nothing else depends on it.
      lost: () => {},
    })
  }

  async #keep(
    value: T,
    claim: Claim | undefined,
    replaces: boolean,
    begun: number,
    watch: Watch<'cache.refresh'>,
  ): Promise<Answer<T>> {
    const { key, staleFor, negativeTtl } = this.#terms
    const { store, maxBytes } = this.#field
    const absent = value === null || value === undefined
    const ttl = absent ? negativeTtl : this.#terms.ttl
    const freshFor = absent ? negativeTtl : this.#terms.freshFor
    const meta = { traceparent: watch.traceparent }
    const fresh = { value, result: 'miss', age: 0, ...meta, asOf: begun } as const
    const written =
      ttl === undefined || freshFor === undefined
        ? undefined
        : encodeCached({ value, ttl, freshFor }, maxBytes)
    if (!written || 'why' in written || ttl === undefined || freshFor === undefined) {
      watch.note({ outcome: 'not_kept' })
      if (written && 'why' in written) {
        const message = `'${key}' is not cached: ${written.why}`
        emit(store.provider.onEvent, { name: 'holdfast.cache.not_kept', key, message })
      }
      this.#field.forget(key)
      if (claim) await store.giveUp(claim, replaces)
      return fresh
    }
    const sentAt = now()
    const asOf = this.#field.tick()
    const { text } = written
    // What everybody else will read: nobody shall depend on having loaded it himself.
    const cached = decodeCached<T>(text, key)
    const held = heldFrom(cached, { age: 0, meta }, sentAt, staleFor)
    const answer = { ...fresh, value: cached.value }
    if (!claim) {
      // There is nobody to ask, and so nothing to miss.
      const always = Number.POSITIVE_INFINITY
      this.#field.adopt(this as Flight<unknown>, held, always)
      return { ...answer, asOf: always }
    }
    const kept = await store.keep(claim, { value: text, ttl: ttl + staleFor, freshFor, meta })
    if (kept) {
      this.#field.adopt(this as Flight<unknown>, held, asOf)
      return { ...answer, asOf }
    }
    watch.note({ outcome: kept === undefined ? 'not_kept' : 'overtaken' })
    this.#field.forget(key)
    return answer
  }

  async #failed(
    error: unknown,
    claim: Claim | undefined,
    stale: Held<T> | undefined,
  ): Promise<Answer<T>> {
    const { key, ttl } = this.#terms
    const { store } = this.#field
    this.#callBack(() => this.#terms.failed?.(error))
    if (stale || this.#occasion.trigger) {
      emit(store.provider.onEvent, { name: 'holdfast.cache.refresh.exception', key, error })
    }
    if (!stale || isOver(stale)) {
      if (claim) store.drop(claim)
      throw error
    }
    const rest = Math.min(Math.max(ttl / 10, SHORTEST_REST), LONGEST_REST)
    const ms = Math.max(1, Math.ceil(Math.min(rest, stale.usableUntil - now())))
    stale.restsUntil = now() + ms
    if (claim) await store.rest(claim, ms)
    return answerOf(stale, this.#field.tick())
  }

  #callBack(call: () => unknown): void {
    const { onEvent } = this.#field.store.provider
    const failed = (error: unknown): void =>
      emit(onEvent, { name: 'holdfast.callback.failed', key: this.key, error })
    try {
      const returned = call()
      if (returned instanceof Promise) returned.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  async #sleep(retryAfter: number): Promise<void> {
    // A message can overtake the answer that sends us to sleep.
    if (this.#heard) return
    await new Promise<void>((resolve) => {
      const most = this.#field.lookAgain()
      const timer = after(Math.min(retryAfter + 1, most), resolve, 'foreground')
      this.#wake = () => {
        timer.stop()
        resolve()
      }
    })
    this.#wake = undefined
  }
}

/** Runs `work` as part of nothing that runs now: it outlives the caller's trace and scope. */
export function behind<R>(work: () => R): R {
  return apart(() => outside(work))
}

/** Whether a value is not even better than an error. */
function isOver(held: Held | undefined): boolean {
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
