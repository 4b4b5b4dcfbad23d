// Circuit breakers: a dependency that fails is left alone for a while, by all processes together.
import { count, dropLevel, observe, setLevel, type Watch } from '../telemetry/index.ts'
import { abortError, onAbort } from './abort.ts'
import { attemptId } from './attempt-id.ts'
import { BreakerMirror, type BreakerProvider, type Probe, type Standing } from './breaker-mirror.ts'
import { now } from './clock.ts'
import { defaultAdapter } from './default-adapter.ts'
import { isHoldfastError } from './error-guards.ts'
import { CircuitOpenError, InvalidArgumentError } from './errors.ts'
import { callBack, emit } from './events.ts'
import {
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectOneOf,
  expectOptions,
  expectProvider,
  expectRatio,
  expectSignal,
} from './expect.ts'
import type { BreakerPhase, Outcomes } from './ports.ts'

/** Options of a {@link CircuitBreaker}. */
export interface CircuitBreakerOptions {
  /** The store that shares the state between processes; default: the memory of this process. */
  readonly stateProvider?: BreakerProvider | undefined
  /** The dependency; required with a store. */
  readonly key?: string | undefined
  /**
   * Failures within the window that open the breaker.
   *
   * @defaultValue 5
   */
  readonly failureThreshold?: number | undefined
  /** Share of failed calls, between 0 and 1, that opens the breaker instead of `failureThreshold`. */
  readonly failureRate?: number | undefined
  /**
   * Calls that the window must hold before a rate counts.
   *
   * @defaultValue 1
   */
  readonly minimumCalls?: number | undefined
  /** Opens the breaker when this share of calls takes longer than `duration` milliseconds. */
  readonly slowCall?: { readonly duration: number; readonly rate: number } | undefined
  /**
   * Milliseconds that are looked back.
   *
   * @defaultValue 10_000
   */
  readonly window?: number | undefined
  /**
   * Milliseconds until an open breaker lets probes through.
   *
   * @defaultValue 30_000
   */
  readonly resetTimeout?: number | undefined
  /**
   * The longest that it stays open, in milliseconds: each failed probe doubles the time.
   *
   * @defaultValue ten times `resetTimeout`
   */
  readonly maxResetTimeout?: number | undefined
  /**
   * Probes at a time, in all processes together; as many successes close the breaker.
   *
   * @defaultValue 1
   */
  readonly halfOpenRequests?: number | undefined
  /**
   * Milliseconds after which a probe that has not answered makes room for another.
   *
   * @defaultValue 30_000
   */
  readonly probeLease?: number | undefined
  /**
   * Whether an error says that the dependency failed; default, and where this throws itself: every error but refusals
   * and aborts.
   */
  readonly isFailure?: ((error: unknown) => boolean) | undefined
  /**
   * The low-cardinality name in spans and metrics.
   *
   * @defaultValue `'circuit_breaker'`
   */
  readonly name?: string | undefined
}

/** Where a breaker stands. */
export type CircuitState = BreakerPhase

/** What the function of a call is given. */
export interface CallContext {
  /** The caller's signal; one that never aborts when there is none. */
  readonly signal: AbortSignal
}

/** Told when the breaker changes its state. */
export type StateListener = (state: CircuitState, previous: CircuitState) => void

interface Admission {
  readonly generation: number
  readonly probe: Probe | undefined
}

/** What of a call's end counts. */
type Verdict = 'success' | 'failure' | 'neutral'

const STATES: readonly CircuitState[] = ['closed', 'open', 'half_open', 'isolated']
const LINKED = 5

/** Errors that say nothing of the dependency: the call was refused, or given up by its caller. */
const NEUTRAL = new Set([
  'ERR_HOLDFAST_ABORTED',
  'ERR_HOLDFAST_ACQUIRE_TIMEOUT',
  'ERR_HOLDFAST_CLIENT_DISCONNECTED',
  'ERR_HOLDFAST_CLOSED',
  'ERR_HOLDFAST_CIRCUIT_OPEN',
  'ERR_HOLDFAST_IN_PROGRESS',
  'ERR_HOLDFAST_INVALID_ARGUMENT',
  'ERR_HOLDFAST_QUEUE_FULL',
  'ERR_HOLDFAST_RATE_LIMITED',
])

/**
 * Stops calling a dependency that fails, in all processes that share the store.
 *
 * While it is closed, a call makes no round trip: its outcome is counted here and reported with others. Outcomes of calls
 * that began before the last transition count no more. A half-open breaker lets a few leased probes through, so that a
 * probe that dies or hangs does not keep it half-open. Without the store, this process decides alone.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from 'holdfast'
 *
 * const breaker = new CircuitBreaker({ failureThreshold: 5, resetTimeout: 60_000 })
 * console.log(await breaker.execute(async ({ signal }) => !signal.aborted), breaker.state)
 * ```
 */
export class CircuitBreaker {
  readonly #mirror: BreakerMirror
  readonly #name: string
  readonly #key: string
  readonly #settings: BreakerSettings
  readonly #onEvent: BreakerProvider['onEvent']
  readonly #listeners = new Set<StateListener>()
  #failed: string[] = []

  /** @throws InvalidArgumentError when an option is not of the documented form */
  constructor(options: CircuitBreakerOptions = {}) {
    const { stateProvider, key, name } = expectOptions(options, 'such as `{ key }`')
    const shared = expectProvider('stateProvider', stateProvider, ['counts', 'grants', 'signals'])
    if (shared && key === undefined) {
      throw new InvalidArgumentError(
        'Expected `key` beside `stateProvider`: which dependency is it?',
      )
    }
    this.#settings = readBreakerSettings(options)
    this.#key = key === undefined ? attemptId() : expectName('key', key)
    this.#name = name === undefined ? 'circuit_breaker' : expectName('name', name)
    this.#onEvent = shared?.onEvent
    this.#mirror = new BreakerMirror({
      shared: shared ?? defaultAdapter(),
      local: defaultAdapter(),
      key: this.#key,
      window: this.#settings.window,
      changed: (standing, previous) => this.#changed(standing, previous),
      decide: (standing) => this.#judge(standing),
    })
    this.#tellStatus('closed')
  }

  /** Where the breaker stands, as far as this process knows: at most a second old while calls are made. */
  get state(): CircuitState {
    return this.#mirror.standing.phase
  }

  /**
   * Calls the dependency, unless the breaker is open.
   *
   * A signal that aborts with a timeout counts as a failure at that moment, because a dependency that hangs may never
   * answer; any other abort counts for nothing.
   *
   * @throws CircuitOpenError when the call was not made
   * @throws AbortedError when the signal had aborted before
   */
  execute<T>(
    work: (context: CallContext) => Promise<T> | T,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<T> {
    expectFunction('work', work)
    const signal = expectSignal('signal', expectOptions(options, 'such as `{ signal }`').signal)
    if (signal?.aborted) return Promise.reject(abortError(signal, this.#key))
    const first = this.#mirror.touch()
    return observe('circuit_breaker.call', { name: this.#name, state: this.state }, (watch) =>
      first ? first.then(() => this.#enter(work, signal, watch)) : this.#enter(work, signal, watch),
    )
  }

  /**
   * Keeps the breaker open, in all processes, until it is reset.
   *
   * @throws StoreUnavailableError when the store did not answer: then it is open in this process, and only until the
   * store is back
   * @throws StoreCorruptError when what the store holds is no breaker; as above
   */
  async isolate(): Promise<void> {
    await this.#mirror.touch()
    await this.#mirror.force('isolated')
  }

  /** Closes the breaker in all processes, and forgets what was counted. Throws as {@link CircuitBreaker.isolate}. */
  async reset(): Promise<void> {
    await this.#mirror.touch()
    await this.#mirror.force('closed')
  }

  /** Tells of every change of the state; the function returned takes the listener back. */
  on(event: 'stateChange', listener: StateListener): () => void {
    expectOneOf('event', event, ['stateChange'])
    this.#listeners.add(expectFunction('listener', listener))
    return () => this.#listeners.delete(listener)
  }

  /** Most calls find the breaker closed and wait for nothing before they are made. */
  #enter<T>(
    work: (context: CallContext) => Promise<T> | T,
    signal: AbortSignal | undefined,
    watch: Watch<'circuit_breaker.call'>,
  ): Promise<T> {
    const { generation, phase } = this.#mirror.standing
    return phase === 'closed'
      ? this.#call(work, signal, { generation, probe: undefined }, watch)
      : this.#admit().then((admission) => this.#call(work, signal, admission, watch))
  }

  async #admit(): Promise<Admission> {
    const { openUntil, phase, trips } = this.#mirror.standing
    if (phase === 'open') {
      const left = openUntil - now()
      if (left > 0) throw this.#open(left)
      await this.#mirror.move('half_open', 1, trips)
    }
    const { generation, phase: next, openUntil: until } = this.#mirror.standing
    if (next === 'closed') return { generation, probe: undefined }
    if (next === 'isolated') throw this.#open(this.#settings.resetTimeout)
    if (next === 'open') throw this.#open(until - now())
    const { halfOpenRequests, probeLease } = this.#settings
    const probe = await this.#mirror.probe(halfOpenRequests, probeLease)
    if (typeof probe === 'number') throw this.#open(Math.min(probe, 1_000))
    if (probe.generation === this.#mirror.standing.generation) {
      return { generation: probe.generation, probe }
    }
    // Meanwhile the breaker has moved on.
    void this.#mirror.giveBack(probe)
    return this.#admit()
  }

  async #call<T>(
    work: (context: CallContext) => Promise<T> | T,
    signal: AbortSignal | undefined,
    admission: Admission,
    watch: Watch<'circuit_breaker.call'>,
  ): Promise<T> {
    if (signal?.aborted) {
      // While the breaker was asked: nothing is known of the dependency, which was not called.
      watch.note({ outcome: 'ignored' })
      if (admission.probe) await this.#mirror.giveBack(admission.probe)
      throw abortError(signal, this.#key)
    }
    const ending = new Ending()
    const started = this.#settings.slowCall ? now() : 0
    const settle = (verdict: Verdict): Promise<void> | undefined =>
      ending.once(() => this.#settle(admission, verdict, started, watch.traceparent))
    const forget =
      signal && onAbort(signal, () => void settle(isTimeout(signal.reason) ? 'failure' : 'neutral'))
    try {
      const value = await work(new Calling(signal))
      const settled = settle('success')
      if (settled) await settled
      return value
    } catch (error) {
      const verdict = this.#isFailure(error) ? 'failure' : 'neutral'
      if (verdict === 'neutral') watch.note({ outcome: 'ignored' })
      await settle(verdict)
      throw error
    } finally {
      forget?.()
    }
  }

  /** Whether an error says that the dependency failed; as by default where the user's function fails itself. */
  #isFailure(error: unknown): boolean {
    try {
      return this.#settings.isFailure(error)
    } catch (fault) {
      emit(this.#onEvent, { name: 'holdfast.callback.failed', key: this.#key, error: fault })
      return saysThatItFailed(error)
    }
  }

  /** Counts how a call has ended; there is something to wait for only when that may change the state. */
  #settle(
    { generation, probe }: Admission,
    verdict: Verdict,
    started: number,
    traceparent: string | undefined,
  ): Promise<void> | undefined {
    const mirror = this.#mirror
    const { slowCall } = this.#settings
    const slow = slowCall !== undefined && now() - started >= slowCall.duration
    if (verdict === 'failure' && traceparent) {
      this.#failed = [...this.#failed, traceparent].slice(-LINKED)
    }
    // A probe that answers after its lease has been replaced: it decides nothing.
    const counts = verdict !== 'neutral' && (!probe || now() < probe.validUntil)
    if (counts) mirror.count(generation, verdict === 'failure', slow)
    if (probe) return this.#endProbe(probe, counts)
    const mayTrip = counts && (verdict === 'failure' || slow)
    return mayTrip && this.#tripsOn(mirror.expected) ? mirror.report() : undefined
  }

  async #endProbe(probe: Probe, counts: boolean): Promise<void> {
    if (counts) await this.#mirror.report()
    await this.#mirror.giveBack(probe)
  }

  /** Makes the transition that the counted outcomes call for. */
  async #judge({ phase, totals, trips }: Standing): Promise<void> {
    this.#tellRatio(totals)
    const { halfOpenRequests, resetTimeout, maxResetTimeout } = this.#settings
    if (phase === 'closed' && this.#tripsOn(totals)) await this.#trip(totals, 1, resetTimeout)
    if (phase !== 'half_open') return
    if (totals.failure > 0) {
      const longer = Math.min(resetTimeout * 2 ** trips, maxResetTimeout)
      await this.#trip(totals, trips + 1, longer)
    } else if (totals.success >= halfOpenRequests) {
      await this.#mirror.move('closed', 1, 0)
    }
  }

  async #trip(totals: Outcomes, trips: number, openFor: number): Promise<void> {
    const { generation, phase } = this.#mirror.standing
    await this.#mirror.move('open', openFor, trips)
    const { standing } = this.#mirror
    if (standing.generation === generation || standing.phase !== 'open') return
    const failed = this.#failed
    this.#failed = []
    const reason = phase === 'half_open' ? 'probe_failed' : 'threshold'
    const facts = { name: this.#name, previous: phase, failures: totals.failure, reason }
    await observe('circuit_breaker.trip', facts, async (watch) => {
      for (const traceparent of failed) watch.link(traceparent)
    })
  }

  #tripsOn({ success, failure, slow }: Outcomes): boolean {
    const { failureThreshold, failureRate, minimumCalls, slowCall } = this.#settings
    const calls = success + failure
    if (calls < minimumCalls) return false
    if (slowCall && slow > 0 && slow / calls >= slowCall.rate) return true
    return failureRate === undefined
      ? failure >= failureThreshold
      : failure > 0 && failure / calls >= failureRate
  }

  #changed({ phase }: Standing, { phase: previous }: Standing): void {
    if (phase === previous) return
    this.#tellStatus(phase)
    count('circuit_breaker.transitions', {
      name: this.#name,
      state: phase,
      previous,
      reason: this.#mirror.isLocal ? 'local' : 'shared',
    })
    emit(this.#onEvent, {
      name: 'holdfast.circuit_breaker.state_changed',
      key: this.#key,
      message: phase,
    })
    for (const listener of this.#listeners) {
      callBack(() => listener(phase, previous), { key: this.#key, onEvent: this.#onEvent })
    }
  }

  #tellStatus(current: CircuitState): void {
    for (const state of STATES) {
      setLevel('circuit_breaker.status', { name: this.#name, state }, state === current ? 1 : 0)
    }
  }

  #tellRatio({ success, failure }: Outcomes): void {
    const calls = success + failure
    const labels = { name: this.#name }
    if (calls === 0 || calls < this.#settings.minimumCalls) {
      dropLevel('circuit_breaker.failure.ratio', labels)
    } else setLevel('circuit_breaker.failure.ratio', labels, failure / calls)
  }

  #open(left: number): CircuitOpenError {
    const retryAfter = Math.max(1, Math.ceil(left))
    return new CircuitOpenError(
      `The circuit breaker '${this.#name}' is open; it may be tried again in ${retryAfter} ms`,
      { key: this.#key, retryAfter },
    )
  }
}

/** The context of a call, whose signal is made only when somebody asks for it. */
class Calling implements CallContext {
  #signal: AbortSignal | undefined

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
  }

  get signal(): AbortSignal {
    this.#signal ??= new AbortController().signal
    return this.#signal
  }
}

/** Something that happens once: whoever comes later waits for the first. */
class Ending {
  #ended = false
  #settled: Promise<void> | undefined

  once(end: () => Promise<void> | undefined): Promise<void> | undefined {
    if (!this.#ended) {
      this.#ended = true
      this.#settled = end()
    }
    return this.#settled
  }
}

type Setting =
  | 'failureThreshold'
  | 'minimumCalls'
  | 'window'
  | 'resetTimeout'
  | 'maxResetTimeout'
  | 'halfOpenRequests'
  | 'probeLease'
  | 'isFailure'

/** Options of a breaker, checked and filled in. */
export type BreakerSettings = {
  readonly [S in Setting]-?: NonNullable<CircuitBreakerOptions[S]>
} & Pick<CircuitBreakerOptions, 'failureRate' | 'slowCall'>

/** Checks the options of a breaker, and fills in what is not given. */
export function readBreakerSettings(options: CircuitBreakerOptions): BreakerSettings {
  const {
    failureThreshold = 5,
    failureRate,
    minimumCalls = 1,
    slowCall,
    window = 10_000,
    resetTimeout = 30_000,
    halfOpenRequests = 1,
    probeLease = 30_000,
    isFailure,
  } = options
  expectDuration('resetTimeout', resetTimeout)
  const { maxResetTimeout = 10 * resetTimeout } = options
  return {
    failureThreshold: expectInteger('failureThreshold', failureThreshold),
    failureRate: failureRate === undefined ? undefined : expectRatio('failureRate', failureRate),
    minimumCalls: expectInteger('minimumCalls', minimumCalls),
    slowCall: slowCall === undefined ? undefined : readSlowCall(slowCall),
    window: expectDuration('window', window),
    resetTimeout,
    maxResetTimeout: expectDuration('maxResetTimeout', maxResetTimeout),
    halfOpenRequests: expectInteger('halfOpenRequests', halfOpenRequests),
    probeLease: expectDuration('probeLease', probeLease),
    isFailure: isFailure === undefined ? saysThatItFailed : expectFunction('isFailure', isFailure),
  }
}

function readSlowCall(slowCall: NonNullable<CircuitBreakerOptions['slowCall']>) {
  const { duration, rate } = expectOptions(slowCall, 'such as `{ duration: 1_000, rate: 0.5 }`')
  return {
    duration: expectDuration('slowCall.duration', duration),
    rate: expectRatio('slowCall.rate', rate),
  }
}

function saysThatItFailed(error: unknown): boolean {
  if (isHoldfastError(error)) return !NEUTRAL.has(error.code)
  return (error as { name?: string } | null)?.name !== 'AbortError'
}

function isTimeout(reason: unknown): boolean {
  return (reason as { name?: string } | null)?.name === 'TimeoutError'
}
