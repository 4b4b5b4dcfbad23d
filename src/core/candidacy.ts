// One candidate's way through an election: it campaigns, leads, and campaigns again after a loss.
import { observe, type Watch } from '../telemetry/index.ts'
import { joinSignals, onAbort } from './abort.ts'
import { after, type Timer } from './clock.ts'
import { Standing, TermTelling } from './election-telling.ts'
import { isAcquireTimeoutError, isQueueFullError } from './error-guards.ts'
import { ClosedError } from './errors.ts'
import { emit } from './events.ts'
import { type Ownership, type OwnershipProvider, own } from './ownership.ts'
import { sleepUnless } from './sleep.ts'
import { callStore, deadlineFor, mayPass } from './store-call.ts'

/** What the function of `LeaderElection.run` is given: a time in which it leads. */
export interface Term {
  /**
   * Aborts when the term is lost, before anybody else can lead, and when it should end; pass it to the work.
   *
   * The next leader begins when the function has settled, or when the lease is over.
   */
  readonly signal: AbortSignal
  /** Greater than that of every term before; to be sent along with every write of the leader. */
  readonly fencingToken: number
  /**
   * Throws unless this term leads at this moment, by the monotonic clock.
   *
   * @throws LeaseLostError when the term is over
   */
  assertHeld(): void
}

/** The function of an election. */
export type LeaderFunction<T> = (term: Term) => Promise<T> | T

/** What is stood for, and how. */
export interface CandidacyTerms {
  readonly provider: OwnershipProvider
  readonly key: string
  readonly name: string
  readonly owner: string | undefined
  readonly ttl: number
  readonly renewDeadline: number
  readonly retryInterval: number
  readonly abandonAfter: number | undefined
}

/** How the function of a term has ended. */
type Ending<T> =
  | { readonly how: 'returned'; readonly value: T }
  | { readonly how: 'threw'; readonly error: unknown }

const TERMS_KEPT = 10
const TERMS_TTL = 2_592_000_000

/** A candidate, from its first campaign until it returns, throws or is ended. */
export class Candidacy<T> {
  readonly #terms: CandidacyTerms
  readonly #standing: Standing
  readonly #resignation = new AbortController()
  #term: Ownership | undefined
  #troubled = false

  constructor(terms: CandidacyTerms) {
    this.#terms = terms
    this.#standing = new Standing(terms.name, terms.key, terms.provider.onEvent)
  }

  /** Whether it leads at this moment. */
  get leads(): boolean {
    return this.#term?.held ?? false
  }

  /** Ends the candidacy, and the term if there is one. */
  resign(): void {
    const { key } = this.#terms
    this.#resignation.abort(new ClosedError(`The candidate for '${key}' has resigned`, { key }))
  }

  /** Gives the lead up at once, whether or not the function has settled. */
  async close(reason: unknown): Promise<void> {
    await this.#term?.close(reason)
  }

  /** Campaigns and leads until the function returns or throws as a leader, or a signal aborts. */
  async run(
    work: LeaderFunction<T>,
    signals: readonly (AbortSignal | undefined)[],
  ): Promise<T | undefined> {
    const { signal, letGo } = joinSignals([...signals, this.#resignation.signal])
    try {
      for (;;) {
        const term = await this.#campaign(signal)
        if (!term) return undefined
        const ending = await this.#lead(term, work, signal)
        if (ending?.how === 'returned') return ending.value
        if (ending?.how === 'threw') throw ending.error
      }
    } finally {
      this.#standing.become(undefined)
      letGo()
    }
  }

  /** Stands until elected; undefined when the candidacy ends first. */
  async #campaign(signal: AbortSignal): Promise<Ownership | undefined> {
    const { provider, key, retryInterval } = this.#terms
    while (!signal.aborted) {
      this.#standing.become('candidate')
      try {
        const term = await this.#stand(signal)
        this.#troubled = false
        if (term?.held && !signal.aborted) return term
        await term?.[Symbol.asyncDispose]()
      } catch (error) {
        if (signal.aborted) return undefined
        if (!isWorthStandingAgain(error)) throw error
        // An outage is told of once: the candidate tries again for as long as it lasts.
        if (!this.#troubled) {
          emit(provider.onEvent, { name: 'holdfast.store.warning', key, error })
        }
        this.#troubled = true
      }
      const jitter = 1 + Math.random() / 5
      await sleepUnless(signal, retryInterval * jitter).catch(() => {})
    }
    return undefined
  }

  #stand(signal: AbortSignal): Promise<Ownership | undefined> {
    const { name, owner, provider, key, ttl, renewDeadline, retryInterval } = this.#terms
    const facts = owner === undefined ? { name } : { name, owner }
    return observe('leader_election.campaign', facts, async (watch) => {
      const term = await own(
        {
          provider,
          kind: 'leader',
          key,
          ttl,
          owner,
          telling: new TermTelling(this.#standing, watch),
          pace: { believeFor: renewDeadline, renewEvery: retryInterval },
        },
        { timeout: undefined, signals: [signal] },
      )
      if (term) {
        watch.note({ fencingToken: String(term.fencingToken) })
        await this.#record(term.fencingToken, watch)
      }
      return term
    })
  }

  /** Adds the term to the history of terms, and links it to the one before. */
  async #record(token: number, watch: Watch<'leader_election.campaign'>): Promise<void> {
    const { provider, key, owner, ttl } = this.#terms
    const { histories, onEvent } = provider
    const history = `leader:${key}`
    const call = <R>(ask: () => Promise<R>): Promise<R> =>
      callStore(key, deadlineFor(provider, ttl), ask).answer
    try {
      const opened = await call(() => histories.open(history, token, TERMS_TTL))
      if (opened.state === 'current') watch.link(opened.latest?.meta.traceparent)
      await call(() =>
        histories.append({
          history,
          token,
          sequence: token,
          value: owner ?? '',
          keep: TERMS_KEPT,
          ttl: TERMS_TTL,
          meta: { traceparent: watch.traceparent, owner },
        }),
      )
    } catch (error) {
      // The history is for show: a leader leads without it.
      emit(onEvent, { name: 'holdfast.store.warning', key, error })
    }
  }

  /** Leads for one term; answers how its function has ended where that is the end of the run. */
  async #lead(
    term: Ownership,
    work: LeaderFunction<T>,
    candidacy: AbortSignal,
  ): Promise<Ending<T> | undefined> {
    const { signal, letGo } = joinSignals([term.signal, candidacy])
    this.#term = term
    const overrun = this.#overrun(signal)
    try {
      const ending = await Promise.race([settle(work, term, signal), overrun.abandoned])
      const led = term.held
      const ended = signal.aborted
      await term[Symbol.asyncDispose]()
      if (ending?.how === 'returned' && led) return ending
      if (ending?.how !== 'threw') return undefined
      if (led && !ended) return ending
      // What is thrown after the signal is how a function ends, and no failure of the election.
      this.#tellUnlessAborted(ending.error, signal)
      return undefined
    } finally {
      overrun.stop()
      letGo()
      if (this.#term === term) this.#term = undefined
    }
  }

  /** Watches how long a function goes on after its signal. */
  #overrun(signal: AbortSignal): { readonly abandoned: Promise<undefined>; stop(): void } {
    const { provider, key, ttl, renewDeadline, abandonAfter } = this.#terms
    let timer: Timer | undefined
    let forget = (): void => {}
    const abandoned = new Promise<undefined>((resolve) => {
      const late = (): void => {
        emit(provider.onEvent, {
          name: 'holdfast.leader_election.overrun',
          key,
          message: 'The function of a term has not settled since its signal aborted',
        })
        if (abandonAfter !== undefined) resolve(undefined)
      }
      // By then somebody else may lead.
      const patience = abandonAfter ?? ttl - renewDeadline
      const start = (): void => {
        timer = after(patience, late, abandonAfter === undefined ? 'background' : 'foreground')
      }
      if (signal.aborted) start()
      else forget = onAbort(signal, start)
    })
    return {
      abandoned,
      stop: () => {
        timer?.stop()
        forget()
      },
    }
  }

  /** Tells of an error, unless it only says that the signal has aborted. */
  #tellUnlessAborted(error: unknown, { reason }: AbortSignal): void {
    const { provider, key } = this.#terms
    const { name } = (error ?? {}) as { name?: string }
    if (error === reason || name === 'AbortError' || name === 'AbortedError') return
    emit(provider.onEvent, { name: 'holdfast.callback.failed', key, error })
  }
}

async function settle<T>(
  work: LeaderFunction<T>,
  term: Ownership,
  signal: AbortSignal,
): Promise<Ending<T>> {
  try {
    const { fencingToken } = term
    return {
      how: 'returned',
      value: await work({ signal, fencingToken, assertHeld: () => term.assertHeld() }),
    }
  } catch (error) {
    return { how: 'threw', error }
  }
}

function isWorthStandingAgain(error: unknown): boolean {
  return mayPass(error) || isAcquireTimeoutError(error) || isQueueFullError(error)
}
