// The entries of one cache: this process's memory before the store, and one flight for each key that is asked for.
import { activeTraceparent, count, isRecording, sample } from '../telemetry/index.ts'
import { CacheChannel } from './cache-channel.ts'
import { type Airfield, behind, Flight, type Occasion, type Waiting } from './cache-flight.ts'
import { type Answer, answerOf, type LoadTerms, type Trigger } from './cache-load.ts'
import type { CacheNotice } from './cache-notice.ts'
import { type CacheProvider, CacheStore, type Written } from './cache-store.ts'
import { now } from './clock.ts'
import { TimeoutError } from './errors.ts'
import { type Held, MemoryTier } from './memory-tier.ts'
import { Patience } from './patience.ts'
import { deadlineFor } from './store-call.ts'

/** What a cache is made of. */
export interface CacheSettings {
  readonly provider: CacheProvider
  readonly name: string
  /** How many values this process remembers; 0 for none. */
  readonly maxEntries: number
  /** Milliseconds after which a load counts as ended whose process has died. */
  readonly lease: number
  /** Milliseconds that a load may take. */
  readonly loadTimeout: number
  readonly maxBytes: number
  /** Whether a key may be remembered. */
  remembers(key: string): boolean
}

/** What ends a reader's wait. */
export interface ReadLimits {
  readonly timeout: number | undefined
  readonly signal: AbortSignal | undefined
}

/** How soon a lost message is made up for, where messages come and where they do not. */
const LOOK_AGAIN = 1_000
const LOOK_AGAIN_DEAF = 200

/** One caller's patience, which costs a timer only when there may be long to wait. */
class Reader implements Waiting {
  readonly signal: AbortSignal | undefined
  patience: Patience | undefined
  readonly #key: string
  readonly #most: number
  readonly #since: number = now()

  constructor(key: string, { timeout, signal }: ReadLimits, most: number, deadline: number) {
    this.#key = key
    this.#most = Math.min(timeout ?? most, most)
    this.signal = signal
    // The store may take that long to answer.
    if (signal || this.#most <= deadline) this.endure()
  }

  endure(): Patience {
    const [key, most] = [this.#key, this.#most]
    const timeout = Math.max(1, this.#since + most - now())
    this.patience ??= new Patience({ timeout, signals: [this.signal] }, key, () => {
      return new TimeoutError(`'${key}' was not there within ${most} ms`, { key })
    })
    return this.patience
  }
}

/**
 * Values by key.
 *
 * What is remembered counts only while changes of other processes would be heard of, or while the store is away; and a
 * flight never answers a caller that came later than it can vouch for.
 */
export class CacheEntries {
  readonly #settings: CacheSettings
  readonly #store: CacheStore
  readonly #channel: CacheChannel
  readonly #memory: MemoryTier
  readonly #field: Airfield
  readonly #flights = new Map<string, Flight<unknown>>()
  /** Flights that nobody joins any more. */
  readonly #aside = new Set<Flight<unknown>>()
  #ticks = 0
  #changes = 0
  /** When changes may have been missed for the last time. */
  #forgotAt = 0

  constructor(settings: CacheSettings) {
    const { provider, name, lease, loadTimeout, maxBytes, maxEntries } = settings
    this.#settings = settings
    this.#memory = new MemoryTier(name, maxEntries)
    this.#store = new CacheStore({ provider, name, lease, returned: () => this.#forgetAll() })
    this.#channel = new CacheChannel({
      provider,
      channel: this.#store.channel,
      told: (notice) => this.#told(notice),
      restored: () => this.#forgetAll(),
    })
    this.#field = {
      store: this.#store,
      name,
      lease,
      loadTimeout,
      maxBytes,
      tick: () => ++this.#ticks,
      lookAgain: () => (this.#channel.live ? LOOK_AGAIN : LOOK_AGAIN_DEAF),
      missed: () => this.#channel.suspect(),
      remembered: (key) => this.#usable(key),
      adopt: (flight, held, asOf) => {
        if (!flight.overtaken && asOf > this.#forgotAt) this.#remember(flight.key, held)
      },
      forget: (key) => this.forget(key),
      stepAside: (flight) => this.#stepAside(flight),
      ended: (flight) => {
        if (this.#flights.get(flight.key) === flight) this.#flights.delete(flight.key)
        else this.#aside.delete(flight)
      },
    }
  }

  /** What can be answered at once; undefined where the store has to be asked. */
  recall(key: string): Held | undefined {
    const held = this.#memory.get(key)
    if (!held || !(this.#channel.live || this.#store.away)) return undefined
    if (now() < held.usableUntil) return held
    this.#memory.delete(key, 'expired')
    return undefined
  }

  /** Counts an answer from memory; what is not fresh any more is looked after behind it. */
  serve<T>(held: Held, terms: LoadTerms<T>): T {
    const time = now()
    this.#tell(time < held.endsAt ? 'hit' : 'stale', time - held.keptAt)
    const due = time >= held.freshUntil || (this.#store.away && !this.#store.rests)
    if (due && time >= held.restsUntil) this.#refreshBehind(terms)
    return held.value as T
  }

  /** The value of a key, from memory, from the store, or from a load here or elsewhere. */
  async read<T>(terms: LoadTerms<T>, limits: ReadLimits): Promise<T> {
    const { key } = terms
    const joined = ++this.#ticks
    const { provider, lease, loadTimeout } = this.#settings
    const reader = new Reader(key, limits, loadTimeout, deadlineFor(provider, lease))
    try {
      this.#channel.open()
      for (;;) {
        const held = this.recall(key)
        if (held) return this.serve(held, terms)
        const flying = this.#flights.get(key) as Flight<T> | undefined
        const answer = await (flying ?? this.#launch(terms)).join(reader, !flying)
        if (joined > answer.asOf) continue
        this.#tell(answer.result, answer.age)
        return answer.value
      }
    } finally {
      reader.patience?.end()
    }
  }

  /** Has a value looked after without reading it, as part of what runs now; rejects when it could not be loaded. */
  async refresh<T>(terms: LoadTerms<T>, trigger: Trigger): Promise<Answer<T>> {
    this.#channel.open()
    const flying = this.#flights.get(terms.key) as Flight<T> | undefined
    return (flying ?? this.#launch(terms, { trigger })).launch()
  }

  /** What there is of a key, without loading it. */
  async look<T>(key: string, staleFor: number): Promise<Answer<T> | undefined> {
    this.#channel.open()
    const known = this.recall(key) as Held<T> | undefined
    if (known && now() < known.freshUntil) return answerOf(known, this.#ticks)
    const changes = this.#changes
    const found = await this.#store.ask<T>(key, staleFor, activeTraceparent())
    if (found.state === 'claimed') this.#store.drop(found.claim)
    const held =
      found.state === 'done'
        ? found.held
        : found.state === 'unknown'
          ? (this.#usable(key) as Held<T> | undefined)
          : found.stale
    if (!held || now() >= held.usableUntil) return undefined
    if (changes === this.#changes) this.#remember(key, held)
    return answerOf(held, this.#ticks)
  }

  /** Whether this process remembers a value that is fresh. */
  isFresh(key: string): boolean {
    return (this.#memory.peek(key)?.freshUntil ?? 0) > now()
  }

  /** Whether this process remembers a value that can be answered. */
  has(key: string): boolean {
    return this.#usable(key) !== undefined
  }

  /** Forgets what this process remembers of a key. */
  forget(key: string): void {
    this.#memory.delete(key, 'invalidated')
  }

  set(key: string, written: Written): Promise<void> {
    return this.#change(key, () => this.#store.put(key, written))
  }

  delete(key: string): Promise<boolean> {
    return this.#change(key, () => this.#store.remove(key))
  }

  clear(): Promise<void> {
    return this.#change(undefined, () => this.#store.clear())
  }

  /** Ends all that runs behind, and forgets all. */
  close(reason: unknown): void {
    this.#channel.close()
    for (const flight of this.#about(undefined)) flight.abort(reason)
    this.#memory.clear()
  }

  #tell(result: Answer<unknown>['result'], age: number): void {
    if (!isRecording()) return
    const labels = { name: this.#settings.name, result }
    count('cache.requests', labels)
    if (result !== 'miss') sample('cache.entry.age', labels, age / 1000)
  }

  #launch<T>(terms: LoadTerms<T>, occasion?: Occasion): Flight<T> {
    const flight = new Flight<T>(terms, this.#field, occasion)
    // At once, so that whoever comes next finds it.
    this.#flights.set(terms.key, flight as Flight<unknown>)
    void flight.launch()
    return flight
  }

  #refreshBehind<T>(terms: LoadTerms<T>): void {
    if (this.#flights.has(terms.key)) return
    const from = activeTraceparent()
    behind(() => this.#launch(terms, { trigger: 'stale', from }))
  }

  #remember(key: string, held: Held): void {
    if (this.#settings.remembers(key)) this.#memory.set(key, held)
  }

  #usable(key: string): Held | undefined {
    const held = this.#memory.peek(key)
    return held && now() < held.usableUntil ? held : undefined
  }

  #stepAside(flight: Flight<unknown>): void {
    if (this.#flights.get(flight.key) !== flight) return
    this.#flights.delete(flight.key)
    this.#aside.add(flight)
  }

  /** Changes the store; what was under way before or meanwhile is not remembered. */
  async #change<R>(key: string | undefined, change: () => Promise<R>): Promise<R> {
    this.#channel.open()
    this.#changed(key)
    try {
      return await change()
    } finally {
      this.#changed(key)
    }
  }

  #told({ news, key }: CacheNotice): void {
    if (news === 'changed') this.#changed(key)
    else this.#ended(key)
  }

  #ended(key: string | undefined): void {
    // There is a newer one than what was to be loaded anew.
    if (key !== undefined && !this.isFresh(key)) this.#memory.delete(key, 'expired')
    for (const flight of this.#about(key)) flight.hear()
  }

  #changed(key: string | undefined): void {
    this.#changes++
    if (key === undefined) this.#memory.clear()
    else this.#memory.delete(key, 'invalidated')
    for (const flight of this.#about(key)) {
      flight.overtaken = true
      this.#stepAside(flight)
      flight.hear()
    }
  }

  /** Something may have changed that this process was not told of. */
  #forgetAll(): void {
    this.#changes++
    this.#forgotAt = ++this.#ticks
    this.#memory.clear()
    for (const flight of this.#about(undefined)) flight.hear()
  }

  #about(key: string | undefined): readonly Flight<unknown>[] {
    if (key === undefined) return [...this.#flights.values(), ...this.#aside]
    const flying = this.#flights.get(key)
    const aside = [...this.#aside].filter((flight) => flight.key === key)
    return flying ? [flying, ...aside] : aside
  }
}
