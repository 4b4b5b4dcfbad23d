// Rate limits: no more than so many units in a window, across all processes.
import { count, failureOf, observe, sample } from '../telemetry/index.ts'
import { now } from './clock.ts'
import { defaultAdapter } from './default-adapter.ts'
import { isStoreUnavailableError } from './error-guards.ts'
import { InvalidArgumentError, QueueFullError, RateLimitedError } from './errors.ts'
import { emit } from './events.ts'
import { Exhausted } from './exhausted.ts'
import {
  expectDuration,
  expectInteger,
  expectName,
  expectOneOf,
  expectOptions,
  expectProvider,
  expectSignal,
  expectTimeout,
  refuse,
} from './expect.ts'
import { Patience } from './patience.ts'
import type { Adapter, RateReply, RateRule, RuleStanding } from './ports.ts'
import { Reservations } from './reservations.ts'
import { sleep } from './sleep.ts'
import { callStore } from './store-call.ts'
import { Turns } from './turns.ts'

/** What {@link RateLimiter} needs of a store. */
export type RateLimitProvider = Pick<Adapter, 'rates' | 'deadline' | 'onEvent'>

/** One rule of a {@link RateLimiter}. */
export interface RateLimit {
  /** Units that come back in every window. */
  readonly limit: number
  /** Milliseconds. */
  readonly window: number
  /**
   * Units that may be spent at once; a window then admits at most `limit + burst`.
   *
   * @defaultValue `limit`
   */
  readonly burst?: number | undefined
  /** The rule's name in answers and telemetry; default: `100-in-60000ms`. */
  readonly name?: string | undefined
}

/** Options of a {@link RateLimiter}: one rule, or several that all must allow. */
export interface RateLimiterOptions extends Partial<RateLimit> {
  /** The store; default: the memory of this process. */
  readonly provider?: RateLimitProvider | undefined
  /** What is limited; each `key` of a call is limited by itself within it. */
  readonly key: string
  /** Several rules instead of `limit` and `window`; all are decided in one step. */
  readonly rules?: readonly RateLimit[] | undefined
  /**
   * `shadow` measures and refuses nobody.
   *
   * @defaultValue `'enforce'`
   */
  readonly mode?: 'enforce' | 'shadow' | undefined
  /**
   * What a call answers when the store does not: it throws (default), or it is denied, allowed, or judged by this
   * process alone.
   */
  readonly onStoreError?: 'deny' | 'allow' | 'local' | undefined
  /**
   * How many callers of this process may wait for a key.
   *
   * @defaultValue 10_000
   */
  readonly maxWaiters?: number | undefined
}

/** Options of one call. */
export interface ConsumeOptions {
  /** Whom to limit: a client, a tenant; default: everybody together. */
  readonly key?: string | undefined
  /**
   * How many units.
   *
   * @defaultValue 1
   */
  readonly cost?: number | undefined
}

/** The answer of a {@link RateLimiter}. */
export interface RateDecision {
  readonly allowed: boolean
  /** Units that could be spent now, of the rule that has the fewest left. */
  readonly remaining: number
  /** Milliseconds until the same call would be allowed; 0 when it was. */
  readonly retryAfter: number
  /** Milliseconds until nothing is spent any more. */
  readonly resetAfter: number
  /** The rule that decided: the one that refused for longest, else the one with the fewest units left. */
  readonly rule: string
  /** How each rule stands, in their order; those that refuse have a `retryAfter`. */
  readonly standings: readonly RuleStanding[]
}

/** Units held by {@link RateLimiter.reserve}, for work of which it is not known yet whether it counts. */
export interface RateReservation extends RateDecision {
  /** Spends the units, because the work counts. Once: later calls do nothing. Throws as {@link RateLimiter.consume}. */
  spend(): Promise<void>
  /** Lets the units go, because the work does not count. */
  letGo(): void
}

const SHORTEST_WAIT = 1

/**
 * A limit on how often something happens, shared by all processes that share the store.
 *
 * The generic cell rate algorithm (GCRA, ITU-T I.371): units come back evenly and by the store's clock, any window
 * admits at most `limit + burst`, and a refused call spends nothing. What is known to be exhausted is refused without
 * asking the store, but for one call in every second.
 *
 * @example
 * ```ts
 * import { MemoryAdapter, RateLimiter } from 'holdfast'
 *
 * const limiter = new RateLimiter({ provider: new MemoryAdapter(), key: 'api', limit: 2, window: 60_000 })
 * for (const _call of [1, 2, 3]) {
 *   const { allowed, remaining, retryAfter } = await limiter.consume({ key: 'tenant-1' })
 *   console.log(allowed, remaining, retryAfter)
 * }
 * ```
 */
export class RateLimiter {
  readonly #provider: RateLimitProvider
  readonly #key: string
  readonly #name: string
  readonly #rules: readonly RateRule[]
  readonly #shadow: boolean
  readonly #onStoreError: RateLimiterOptions['onStoreError']
  readonly #maxWaiters: number
  readonly #exhausted = new Exhausted()
  readonly #reservations = new Reservations()
  readonly #turns = new Turns()

  /** @throws InvalidArgumentError when an option is not of the documented form */
  constructor(options: RateLimiterOptions) {
    const {
      provider,
      key,
      name,
      rules,
      mode = 'enforce',
      onStoreError,
      maxWaiters = 10_000,
    } = expectOptions(options, 'such as `{ key, limit: 100, window: 60_000 }`')
    this.#provider = expectProvider('provider', provider, ['rates']) ?? localProvider()
    this.#key = expectName('key', key)
    this.#name = name === undefined ? 'rate_limiter' : expectName('name', name)
    this.#rules = readRules(rules === undefined ? [options as RateLimit] : rules)
    this.#shadow = expectOneOf('mode', mode, ['enforce', 'shadow']) === 'shadow'
    this.#onStoreError =
      onStoreError === undefined
        ? undefined
        : expectOneOf<'deny' | 'allow' | 'local'>('onStoreError', onStoreError, [
            'deny',
            'allow',
            'local',
          ])
    this.#maxWaiters = expectInteger('maxWaiters', maxWaiters)
  }

  /**
   * Spends units if every rule allows it, else none.
   *
   * @throws InvalidArgumentError when the cost is above a rule's `burst`: it could never be allowed
   * @throws StoreUnavailableError when the store did not answer and `onStoreError` is not given
   */
  consume(options: ConsumeOptions = {}): Promise<RateDecision> {
    const { key, cost } = this.#read(options)
    return this.#judge(cost, () => this.#decide(key, cost), ['allowed', 'rejected'])
  }

  /** How a call would be answered, spending nothing. Throws as {@link RateLimiter.consume}. */
  async peek(options: ConsumeOptions = {}): Promise<RateDecision> {
    const { key, cost } = this.#read(options)
    return foresee(await this.#ask(key, 0), cost, this.#rules)
  }

  /**
   * Holds units until it is known whether the work that needs them counts: a login that fails, a request that succeeds.
   *
   * Nothing is spent before `spend()`; until then this process admits nobody else on what is held. Other processes do
   * not see it: each of them may let in as many callers at a time as there are units left. Throws as
   * {@link RateLimiter.consume}.
   *
   * @example
   * ```ts
   * import { MemoryAdapter, RateLimiter } from 'holdfast'
   *
   * const failures = new RateLimiter({ provider: new MemoryAdapter(), key: 'logins', limit: 5, window: 900_000 })
   * const attempt = await failures.reserve({ key: 'alice' })
   * if (attempt.allowed) {
   *   const isRight = false // look at the password
   *   if (isRight) attempt.letGo()
   *   else await attempt.spend()
   * }
   * ```
   */
  async reserve(options: ConsumeOptions = {}): Promise<RateReservation> {
    const { key, cost } = this.#read(options)
    let open = false
    const look = async (): Promise<RateDecision> => {
      const known = this.#exhausted.get(key, cost)
      if (known) return known
      return this.#reservations.look(
        key,
        () => this.#ask(key, 0),
        (reply, held) => {
          const decision = foresee(reply, cost + held, this.#rules)
          open = decision.allowed
          if (open) this.#reservations.hold(key, cost)
          return decision
        },
      )
    }
    // What is allowed is counted when it is spent.
    const decision = await this.#judge(cost, look, ['rejected'])
    const close = (): boolean => {
      const was = open
      open = false
      return was
    }
    return {
      ...decision,
      spend: async () => {
        const spend = () => this.consume({ key: options.key, cost })
        if (close()) await this.#reservations.spend(key, cost, spend)
      },
      letGo: () => {
        if (close()) this.#reservations.letGo(key, cost)
      },
    }
  }

  /**
   * Waits until the units could be spent, and spends them; callers of this process wait in turn, but for one with a
   * `timeout` of 0, who waits for nobody.
   *
   * @throws RateLimitedError when that would take longer than `timeout`: at once by who has its turn, else once `timeout` is over
   * @throws QueueFullError when `maxWaiters` callers of this process wait already
   * @throws AbortedError when the signal aborted first
   * @throws StoreUnavailableError when the store did not answer and `onStoreError` is not given
   */
  async wait(
    options: ConsumeOptions & {
      readonly timeout?: number | undefined
      readonly signal?: AbortSignal | undefined
    } = {},
  ): Promise<RateDecision> {
    const { key, cost } = this.#read(options)
    const timeout = expectTimeout('timeout', options.timeout)
    const signals = [expectSignal('signal', options.signal)]
    const started = now()
    const tooLong = (told: Pick<RateDecision, 'retryAfter' | 'standings'>): RateLimitedError =>
      new RateLimitedError(`'${this.#key}' is limited for ${told.retryAfter} ms more`, {
        key: this.#key,
        retryAfter: told.retryAfter,
        standings: told.standings,
      })
    // Of those who have waited for their turn in vain, it is not known when it comes.
    const unknown = { retryAfter: SHORTEST_WAIT, standings: [] }
    const patience = new Patience({ timeout, signals }, this.#key, () => tooLong(unknown))
    const ended = (outcome: string): void =>
      sample('rate_limiter.wait.duration', { name: this.#name, outcome }, (now() - started) / 1000)
    try {
      const spend = async (): Promise<RateDecision> => {
        for (;;) {
          const decision = await patience.within(this.consume({ key: options.key, cost }))
          if (decision.allowed) return decision
          const left = timeout === undefined ? Number.POSITIVE_INFINITY : started + timeout - now()
          if (decision.retryAfter > left) throw tooLong(decision)
          await sleep(Math.max(decision.retryAfter, SHORTEST_WAIT), patience)
        }
      }
      // Whoever tries once waits for nobody.
      const decision = await (timeout === 0 ? spend() : this.#inTurn(key, patience, spend))
      ended('allowed')
      return decision
    } catch (error) {
      ended(failureOf(error).outcome)
      throw error
    } finally {
      patience.end()
    }
  }

  /** Forgets what a key has spent; other processes that refuse it know within a second. Throws as {@link RateLimiter.consume}. */
  async reset({ key }: Pick<ConsumeOptions, 'key'> = {}): Promise<void> {
    const limiter = this.#limiter(key)
    const { rates, deadline } = this.#provider
    await callStore(this.#key, deadline, () => rates.reset(limiter, this.#rules)).answer
    // Afterwards, so that a refusal from before that was on its way does not stand.
    this.#exhausted.forget(limiter)
  }

  async #inTurn<T>(key: string, patience: Patience, work: () => Promise<T>): Promise<T> {
    if (this.#turns.waiting(key) < this.#maxWaiters) return this.#turns.take(key, patience, work)
    throw new QueueFullError(
      `${this.#maxWaiters} callers of this process wait for '${this.#key}' already (\`maxWaiters\`)`,
      { key: this.#key },
    )
  }

  #read(options: ConsumeOptions): { key: string; cost: number } {
    const { key, cost = 1 } = expectOptions(options, 'such as `{ key }`')
    expectInteger('cost', cost, 1)
    const tight = this.#rules.find(({ burst }) => cost > burst)
    if (tight) {
      throw new InvalidArgumentError(
        `Expected \`cost\` to be at most the burst of ${tight.burst} of '${tight.name}', got ${cost}: it could never be allowed`,
        { key: this.#key },
      )
    }
    return { key: this.#limiter(key), cost }
  }

  #limiter(key: string | undefined): string {
    const own = `rate:${this.#key.length}:${this.#key}`
    return key === undefined ? own : `${own}:${expectName('key', key)}`
  }

  /** Tells telemetry how calls were judged, and lets everybody pass in shadow mode. */
  #judge(
    cost: number,
    decide: () => Promise<RateDecision>,
    counted: readonly string[],
  ): Promise<RateDecision> {
    return observe('rate_limiter.consume', { name: this.#name, cost }, async (watch) => {
      const decision = await decide()
      const { allowed, remaining, retryAfter, rule } = decision
      const outcome = allowed ? 'allowed' : 'rejected'
      watch.note({ outcome, remaining, retryAfter: retryAfter / 1000 })
      if (counted.includes(outcome)) {
        count('rate_limiter.requests', { name: this.#name, policy: rule, outcome })
      }
      return this.#shadow ? { ...decision, allowed: true } : decision
    })
  }

  async #decide(limiter: string, cost: number): Promise<RateDecision> {
    const known = this.#exhausted.get(limiter, cost)
    if (known) return known
    return summary(await this.#ask(limiter, cost), this.#rules)
  }

  async #ask(limiter: string, cost: number): Promise<RateReply> {
    const { rates, deadline, onEvent } = this.#provider
    const request = { limiter, rules: this.#rules, cost }
    try {
      const reply = await callStore(this.#key, deadline, () => rates.consume(request)).answer
      // Only what the store refuses: what stands in for it knows nothing of what it will say.
      if (!reply.allowed) this.#exhausted.note(limiter, cost, summary(reply, this.#rules))
      return reply
    } catch (error) {
      if (!isStoreUnavailableError(error) || this.#onStoreError === undefined) throw error
      emit(onEvent, { name: 'holdfast.guard.fail_open', key: this.#key, error })
      if (this.#onStoreError === 'local') return localProvider().rates.consume(request)
      const allowed = this.#onStoreError === 'allow'
      const standings = this.#rules.map(({ burst, interval }) => ({
        remaining: allowed ? burst : 0,
        retryAfter: allowed ? 0 : Math.ceil(interval / 1000),
        resetAfter: 0,
      }))
      return { allowed, standings }
    }
  }
}

function localProvider(): RateLimitProvider {
  return defaultAdapter()
}

/** Rules as a store is given them, checked. */
export function readRules(rules: readonly RateLimit[]): readonly RateRule[] {
  if (!Array.isArray(rules)) refuse('rules', 'a list of rules', rules)
  if (rules.length === 0) throw new InvalidArgumentError('Expected at least one rule')
  const read = rules.map(readRule)
  if (new Set(read.map(({ name }) => name)).size < read.length) {
    throw new InvalidArgumentError('Expected the rules to have different names')
  }
  return read
}

function readRule(rule: RateLimit): RateRule {
  const {
    limit,
    window,
    burst = limit,
  } = expectOptions(rule, 'such as `{ limit: 100, window: 60_000 }`')
  expectInteger('limit', limit, 1, 1e9)
  expectDuration('window', window)
  return {
    name: rule.name === undefined ? `${limit}-in-${window}ms` : expectName('name', rule.name),
    interval: (window * 1000) / limit,
    burst: expectInteger('burst', burst, 1, 1e9),
  }
}

/** How a call of some cost would be answered after a look that cost nothing. */
function foresee(
  { allowed, standings }: RateReply,
  cost: number,
  rules: readonly RateRule[],
): RateDecision {
  const missing = standings.map(({ remaining }, at) => {
    const { interval } = rules[at] as RateRule
    return Math.ceil((Math.max(0, cost - remaining) * interval) / 1000)
  })
  const asked = standings.map((standing, at) => ({
    ...standing,
    // What the store refuses altogether, because it is away, is refused for at least as long as it says.
    retryAfter: Math.max(standing.retryAfter, missing[at] ?? 0),
  }))
  const fits = missing.every((wait) => wait === 0)
  return summary({ allowed: allowed && fits, standings: asked }, rules)
}

function summary({ allowed, standings }: RateReply, rules: readonly RateRule[]): RateDecision {
  const named = standings.map((standing, at) => ({ ...standing, rule: rules[at]?.name ?? '' }))
  const [decisive = { remaining: 0, retryAfter: 0, resetAfter: 0, rule: '' }] = named.toSorted(
    (a, b) => b.retryAfter - a.retryAfter || a.remaining - b.remaining,
  )
  const resetAfter = Math.max(...standings.map((standing) => standing.resetAfter))
  return { ...decisive, allowed, resetAfter, standings: named }
}
