// One flight for a key in this process: it asks the store, and loads the value or waits for whoever loads it.
import { activeTraceparent, apart, observe } from '../telemetry/index.ts'
import {
  type Answer,
  answerOf,
  isOver,
  Load,
  type LoadGround,
  type LoadTerms,
  type Trigger,
} from './cache-load.ts'
import type { Claim, Found } from './cache-store.ts'
import { after, now } from './clock.ts'
import { outside } from './current-scope.ts'
import { AbortedError } from './errors.ts'
import type { Held } from './memory-tier.ts'
import type { Patience } from './patience.ts'

/** A reader who waits. */
export interface Waiting {
  readonly signal: AbortSignal | undefined
  /** Its patience, where it was given any. */
  readonly patience: Patience | undefined
  /** Its patience for a load, which takes longer than an answer of the store. */
  endure(): Patience
}

/** What a flight needs of the cache that it flies for. */
export interface Airfield extends LoadGround {
  /** Milliseconds after which to look whether a message was lost. */
  lookAgain(): number
  /** A message was lost. */
  missed(): void
  /** What is remembered of a key and still better than an error. */
  remembered(key: string): Held | undefined
  /** Remembers a value, unless it has changed since the flight began, or may have since it was confirmed. */
  adopt(flight: Flight<unknown>, held: Held, asOf: number): void
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

  #load(
    claim: Claim | undefined,
    stale: Held<T> | undefined,
    trigger: Trigger,
    from: string | undefined,
  ): Promise<Answer<T>> {
    const awaited = !stale && !this.#occasion.trigger
    const cause = { claim, stale, trigger, from, awaited }
    const load = new Load(this.#terms, this.#field, cause, {
      abortion: this.#abortion,
      begun: (traceparent) => this.#tell({ here: true, traceparent }),
      adopt: (held, asOf) => this.#field.adopt(this as Flight<unknown>, held, asOf),
    })
    return load.run()
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
