// What this process knows of a shared circuit breaker, and how it tells the others of its calls.
import { quietly } from '../telemetry/index.ts'
import { attemptId } from './attempt-id.ts'
import { after, now, type Timer } from './clock.ts'
import { emit } from './events.ts'
import type { Adapter, BreakerPhase, BreakerView, Listening, Outcomes } from './ports.ts'
import { callStore, type StoreCall } from './store-call.ts'
import { undo } from './undo.ts'

/** What a circuit breaker needs of a store. */
export type BreakerProvider = Pick<
  Adapter,
  'counts' | 'grants' | 'signals' | 'deadline' | 'onEvent'
>

/** A breaker as it is believed to stand. */
export interface Standing {
  readonly generation: number
  readonly phase: BreakerPhase
  /** Monotonic time until which it stays open. */
  readonly openUntil: number
  readonly trips: number
  readonly totals: Outcomes
}

/** A permit to probe a half-open dependency. */
export interface Probe {
  readonly resource: string
  readonly id: string
  /** The generation that it is for. */
  readonly generation: number
  readonly backend: BreakerProvider
  /** Monotonic time from which its outcome counts no more. */
  readonly validUntil: number
}

type Question<T> = (backend: BreakerProvider, generation: number) => Promise<T>

/** An answer, who gave it, and the generation that was believed when it was asked for. */
interface Told<T> {
  readonly answer: T
  readonly backend: BreakerProvider
  readonly asked: number
}

/** Outcomes are reported together, at the latest after this many milliseconds. */
const REPORT_AFTER = 100
/** How long a view may be old while calls are made, and how long a store that was away is left alone. */
const SYNC_EVERY = 1_000
/** The window of a half-open breaker: its probes are few and may be far apart. */
const HALF_OPEN_WINDOW = 3_600_000
const LONGEST_CALL = 2_000

const NONE: Outcomes = nothing()

/** Stops listening for breakers that are gone. */
const forgotten = new FinalizationRegistry<Listening>((listening) => listening.close())

/**
 * The view of a breaker, kept up to date by messages and by a sync while calls are made.
 *
 * Calls only look at the view. When the store is away, the same state machine runs on this process's memory, which has
 * counted along all the time, until the store is back.
 */
export class BreakerMirror {
  readonly #shared: BreakerProvider
  readonly #local: BreakerProvider
  readonly #key: string
  readonly #name: string
  readonly #window: number
  readonly #changed: (standing: Standing, previous: Standing) => void
  readonly #decide: (standing: Standing) => Promise<void>
  readonly #reporter = attemptId()
  #standing: Standing = { generation: 0, phase: 'closed', openUntil: 0, trips: 0, totals: NONE }
  #pending = nothing()
  /** What the report on its way tells. */
  #sent: Outcomes = NONE
  #sequence = 0
  #timer: Timer | undefined
  #reporting: Promise<void> | undefined
  /** The report that has not begun. */
  #next: Promise<void> | undefined
  #syncedAt = Number.NEGATIVE_INFINITY
  #first: Promise<void> | undefined
  #awayUntil = 0
  /** The way from the store to this process's memory. */
  #leaving: Promise<void> | undefined
  #listens = false

  constructor(terms: {
    readonly shared: BreakerProvider
    /** This process's memory, for when the store is away. */
    readonly local: BreakerProvider
    readonly key: string
    readonly window: number
    /** Told when generation or phase have changed. */
    readonly changed: (standing: Standing, previous: Standing) => void
    /** Judges the totals after each report, and makes the transition that they call for. */
    readonly decide: (standing: Standing) => Promise<void>
  }) {
    this.#shared = terms.shared
    this.#local = terms.local
    this.#key = terms.key
    this.#name = `breaker:${terms.key}`
    this.#window = terms.window
    this.#changed = terms.changed
    this.#decide = terms.decide
  }

  get standing(): Standing {
    return this.#standing
  }

  /** The totals as they will be once what is pending, or on its way, has been reported. */
  get expected(): Outcomes {
    return add(add(this.#standing.totals, this.#sent), this.#pending)
  }

  /** Whether this process decides alone, because the store is away. */
  get isLocal(): boolean {
    return now() < this.#awayUntil
  }

  /** To be called with every call: brings an old view up to date behind it, and waits only for the very first one. */
  touch(): Promise<void> | undefined {
    const age = now() - this.#syncedAt
    if (this.#first || age < SYNC_EVERY) return this.#first
    this.#syncedAt = now()
    const synced = quietly(() => this.report())
    if (!this.#listens) void quietly(() => this.#listen())
    if (age !== Number.POSITIVE_INFINITY) return undefined
    this.#first = synced.finally(() => {
      this.#first = undefined
    })
    return this.#first
  }

  /** Counts an outcome of a call that began in `generation`; a stale one counts no more. */
  count(generation: number, failure: boolean, slow: boolean): void {
    if (generation !== this.#standing.generation) return
    if (failure) this.#pending.failure++
    else this.#pending.success++
    if (slow) this.#pending.slow++
    if (this.#timer) return
    const wait = Math.min(REPORT_AFTER, this.#window / 10)
    this.#timer = after(wait, () => void quietly(() => this.report()), 'background')
  }

  /** Reports what is pending and learns how the breaker stands; never rejects. */
  report(): Promise<void> {
    // All who come while one is on its way share the next one: a thousand failed calls are told in one report.
    this.#next ??= this.#reportNext()
    return this.#next
  }

  /** Makes a transition from the standing that is believed; never rejects. */
  async move(phase: BreakerPhase, openFor: number, trips: number): Promise<void> {
    this.#adopt(await this.#ask(this.#moving(phase, openFor, trips)))
  }

  /**
   * Makes a transition however the breaker stands.
   *
   * Rejects when the store could not be asked: then it is made in this process, until the store is back.
   */
  async force(phase: BreakerPhase): Promise<void> {
    const moving = this.#moving(phase, 1, 0)
    // Also when it was away a moment ago.
    this.#awayUntil = 0
    try {
      // It was not made when others made one meanwhile, or before and this process has not heard of it.
      do this.#adopt(await this.#askStore(moving).answer)
      while (this.#standing.phase !== phase || hasCounted(this.#standing))
    } catch (error) {
      await this.#goLocal(error)
      this.#adopt(await this.#ask(moving))
      throw error
    }
  }

  /** A permit to probe, of which there are `most` in all processes; else in how many milliseconds to ask again. */
  async probe(most: number, lease: number): Promise<Probe | number> {
    const id = attemptId()
    const sentAt = now()
    const request = {
      id,
      weight: 1,
      capacity: most,
      exclusive: false,
      ttl: lease,
      wait: false,
      inbox: { id: this.#reporter, listening: false },
      meta: {},
    }
    const shared = this.#shared
    const resourceOf = (generation: number): string => `probe:${this.#name}:${generation}`
    const { answer, backend, asked } = await this.#ask(
      ({ grants }, generation) => grants.acquire({ ...request, resource: resourceOf(generation) }),
      (pending, generation) => {
        const giveBack = () => shared.grants.release(resourceOf(generation), id)
        const terms = { key: this.#key, lasts: lease, onEvent: shared.onEvent }
        void undo({ ...terms, giveBack, deadline: deadlineOf(shared) }, pending)
      },
    )
    if (answer.state !== 'granted') return Math.max(1, answer.hint)
    const resource = resourceOf(asked)
    return { resource, id, generation: asked, backend, validUntil: sentAt + lease }
  }

  /** Gives a probe's permit back; never rejects, its lease ends it anyway. */
  async giveBack({ backend, resource, id }: Probe): Promise<void> {
    const release = () => backend.grants.release(resource, id)
    await quietly(() => callStore(this.#key, deadlineOf(backend), release).answer).catch(() => {})
  }

  async #reportNext(): Promise<void> {
    await this.#reporting
    this.#next = undefined
    this.#reporting = this.#report().finally(() => {
      this.#reporting = undefined
    })
    await this.#reporting
  }

  async #report(): Promise<void> {
    this.#timer?.stop()
    this.#timer = undefined
    const outcomes = this.#pending
    this.#sent = outcomes
    this.#pending = nothing()
    const report = {
      breaker: this.#name,
      window: this.#standing.phase === 'half_open' ? HALF_OPEN_WINDOW : this.#window,
      outcomes,
      reporter: this.#reporter,
      sequence: ++this.#sequence,
    }
    const told = await this.#ask(({ counts }, generation) =>
      counts.report({ ...report, generation }),
    )
    this.#syncedAt = now()
    this.#sent = NONE
    this.#adopt(told)
    await this.#decide(this.#standing)
  }

  /**
   * Asks the store, or this process's memory while the store has no answer that is of use.
   *
   * Tells `gaveUp` of a call to the store that was given up, and may have an effect yet.
   */
  async #ask<T>(
    question: Question<T>,
    gaveUp?: (pending: Promise<unknown>, generation: number) => void,
  ): Promise<Told<T>> {
    if (!this.isLocal) {
      const { generation } = this.#standing
      const { answer, underlying } = this.#askStore(question)
      try {
        return await answer
      } catch (error) {
        gaveUp?.(underlying, generation)
        await this.#goLocal(error)
      }
    }
    return ask(question, this.#local, this.#standing.generation)
  }

  #askStore<T>(question: Question<T>): StoreCall<Told<T>> {
    const { generation } = this.#standing
    const call = () => ask(question, this.#shared, generation)
    return callStore(this.#key, deadlineOf(this.#shared), call)
  }

  #moving(phase: BreakerPhase, openFor: number, trips: number): Question<BreakerView> {
    const move = { breaker: this.#name, phase, openFor, trips, channel: this.#name }
    return ({ counts }, generation) => counts.move({ ...move, generation })
  }

  /** Leaves the store alone for a while; all who find it away at once carry the standing over together. */
  #goLocal(error: unknown): Promise<void> {
    if (!this.isLocal && !this.#leaving) {
      emit(this.#shared.onEvent, { name: 'holdfast.guard.fail_open', key: this.#key, error })
    }
    this.#leaving ??= this.#carryOver().finally(() => {
      this.#leaving = undefined
      this.#awayUntil = now() + SYNC_EVERY
    })
    return this.#leaving
  }

  /** Carries the standing over to this process's memory. */
  async #carryOver(): Promise<void> {
    const { phase, openUntil, trips, totals, generation } = this.#standing
    const probe = { breaker: this.#name, window: this.#window, reporter: attemptId(), sequence: 1 }
    const local = await this.#local.counts.report({ ...probe, generation, outcomes: NONE })
    if (local.generation === generation) return
    const openFor = Math.max(1, Math.ceil(openUntil - now()))
    const move = { breaker: this.#name, phase, openFor, trips, channel: '' }
    const moved = await this.#local.counts.move({ ...move, generation: local.generation })
    await this.#local.counts.report({ ...probe, generation: moved.generation, outcomes: totals })
    // The same standing under another number.
    this.#standing = { ...this.#standing, generation: moved.generation }
  }

  async #listen(): Promise<void> {
    this.#listens = true
    // The store must not keep a breaker that nobody calls any more.
    const mirror = new WeakRef(this)
    const hear = (): void => void quietly(() => mirror.deref()?.report())
    try {
      const { signals } = this.#shared
      const listening = await signals.listen(this.#name, { message: hear, restored: hear })
      forgotten.register(this, listening)
    } catch {
      this.#listens = false
    }
  }

  #adopt({ asked, answer }: Told<BreakerView>): void {
    const { generation, phase, remaining, trips, totals } = answer
    const previous = this.#standing
    // Over two connections answers overtake each other. What was asked of the latest generation and answers a lower one
    // is believed: the store has lost its data.
    if (asked !== previous.generation && generation < previous.generation) return
    const openUntil = phase === 'open' ? now() + remaining : 0
    this.#standing = { generation, phase, openUntil, trips, totals }
    if (generation === previous.generation) return
    this.#pending = nothing()
    this.#sent = NONE
    this.#changed(this.#standing, previous)
  }
}

async function ask<T>(
  question: Question<T>,
  backend: BreakerProvider,
  generation: number,
): Promise<Told<T>> {
  return { answer: await question(backend, generation), backend, asked: generation }
}

function deadlineOf({ deadline }: BreakerProvider): number {
  return Math.min(deadline, LONGEST_CALL)
}

function hasCounted({ totals: { success, failure } }: Standing): boolean {
  return success + failure > 0
}

function nothing(): { success: number; failure: number; slow: number } {
  return { success: 0, failure: 0, slow: 0 }
}

function add(a: Outcomes, b: Outcomes): Outcomes {
  return {
    success: a.success + b.success,
    failure: a.failure + b.failure,
    slow: a.slow + b.slow,
  }
}
