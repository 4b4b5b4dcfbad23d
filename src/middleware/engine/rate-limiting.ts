// The rate limit guard: no more than so many requests of a client in a window, and every answer says how many are left.

import { InvalidArgumentError, RateLimitedError } from '../../core/errors.ts'
import {
  expectBoolean,
  expectInteger,
  expectName,
  expectOneOf,
  expectOptions,
  expectWait,
} from '../../core/expect.ts'
import type { RuleStanding } from '../../core/ports.ts'
import {
  type RateDecision,
  type RateLimit,
  RateLimiter,
  readRules,
} from '../../core/rate-limiter.ts'
import { type ClientOptions, clientNamer } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import { digest } from './fingerprint.ts'
import {
  expectGuardOptions,
  type Guard,
  type GuardOptions,
  type PerRequest,
  perRequest,
  providerOf,
  requiredName,
} from './guard.ts'
import { Instances } from './instances.ts'
import { quotaExceeded } from './problem.ts'
import {
  announceLeft,
  announceLegacy,
  announcePolicies,
  policyField,
  type QuotaPolicy,
} from './rate-limit-fields.ts'
import { asIfSpent, type Skipping, settling } from './rate-settling.ts'
import { expectPrintable } from './structured-field.ts'

/** Options of `rateLimit()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface RateLimitGuardOptions<A extends readonly unknown[]>
  extends GuardOptions<A>,
    ClientOptions {
  /** Requests that come back in every window; or a function that finds it, `Infinity` for no limit. */
  readonly limit?: number | PerRequest<A, number> | undefined
  /** Milliseconds. */
  readonly window?: number | undefined
  /**
   * Requests that may come at once; a window then admits at most `limit + burst`.
   *
   * @defaultValue `limit`
   */
  readonly burst?: number | undefined
  /** Several rules instead of `limit` and `window`; all are decided in one step. */
  readonly rules?: readonly RateLimit[] | undefined
  /** Whom to limit; default: the address of the client. */
  readonly key?: string | PerRequest<A, string> | undefined
  /**
   * How much of the limit a request spends.
   *
   * @defaultValue 1
   */
  readonly cost?: number | PerRequest<A, number> | undefined
  /**
   * Milliseconds that a request waits at most for its turn, before it is refused; `Infinity` for as long as it takes.
   *
   * @defaultValue 0
   */
  readonly timeout?: number | undefined
  /**
   * How many requests of this process may wait for a key.
   *
   * @defaultValue 10_000
   */
  readonly maxWaiters?: number | undefined
  /**
   * `shadow` measures and refuses nobody, and tells clients nothing.
   *
   * @defaultValue `'enforce'`
   */
  readonly mode?: 'enforce' | 'shadow' | undefined
  /**
   * Whether answers say what is left, in `RateLimit` and `RateLimit-Policy`.
   *
   * @defaultValue true
   */
  readonly headers?: boolean | undefined
  /**
   * Whether they say it in `X-RateLimit-Limit`, `-Remaining` and `-Reset` as well.
   *
   * @defaultValue false
   */
  readonly legacyHeaders?: boolean | undefined
  /**
   * Whether requests that were answered with 400 or more, or not at all, spend nothing.
   *
   * @defaultValue false
   */
  readonly skipFailedRequests?: boolean | undefined
  /**
   * Whether requests that were answered with less than 400 spend nothing.
   *
   * @defaultValue false
   */
  readonly skipSuccessfulRequests?: boolean | undefined
}

/** Longer keys are hashed: whoever can choose a key must not choose how much the store keeps of it. */
const LONGEST_KEY = 128

/** A limiter, and the rules that it works by. */
interface Limiting {
  readonly limiter: RateLimiter
  readonly rules: readonly RateLimit[]
  /** What its answers say of the rules. */
  readonly policies: string
}

/** Makes the rate limit guard. */
export function rateLimitGuard<A extends readonly unknown[]>(
  given: RateLimitGuardOptions<A>,
): Guard<A> {
  const { onStoreError = 'allow' } = expectOptions(
    given,
    'such as `{ limit: 100, window: 60_000 }`',
  )
  const options: RateLimitGuardOptions<A> = { ...given, onStoreError }
  const settings = readOptions(options)
  const instances = new Instances<Limiting>()
  const nameClient = clientNamer('rateLimit()', options)
  const isShadow = options.mode === 'shadow'

  const limitingOf = async (exchange: Exchange<A>): Promise<Limiting | undefined> => {
    const limit = await perRequest(options.limit, exchange.args)
    if (limit === Number.POSITIVE_INFINITY) return undefined
    const name = requiredName('rateLimit()', options, exchange)
    const provider = providerOf(options, exchange)
    return instances.get(provider, `${limit} ${name}`, () => {
      const rules = rulesOf(options, limit)
      const { mode, maxWaiters } = options
      const limiter = new RateLimiter({ provider, key: name, name, rules, mode, maxWaiters })
      return { limiter, rules, policies: settings.headers ? policyField(rules.map(policyOf)) : '' }
    })
  }
  const keyOf = async (exchange: Exchange<A>): Promise<string> => {
    if (options.key === undefined) return nameClient(exchange)
    const key = expectName('key', await perRequest(options.key, exchange.args))
    return key.length > LONGEST_KEY ? digest([key]) : key
  }
  const announce = (
    exchange: Exchange<A>,
    { rules, policies }: Limiting,
    standings: readonly RuleStanding[],
    isRefused: boolean,
  ): void => {
    if (isShadow) return
    if (settings.headers) {
      announcePolicies(exchange, policies)
      announceStandings(exchange, standings, isRefused)
    }
    if (!settings.legacyHeaders) return
    const [tightest] = standings.toSorted((a, b) => a.remaining - b.remaining)
    const rule = rules.find(({ name }) => name === tightest?.rule)
    if (tightest && rule) announceLegacy(exchange, rule.limit, tightest)
  }

  return {
    kind: 'rate_limiter',
    options,
    concludes: settings.skips !== undefined,
    problemFor: (error) =>
      error instanceof RateLimitedError
        ? { ...quotaExceeded, violated: violatedOf(error.standings) }
        : undefined,
    async enter(exchange, passage, inward) {
      const limiting = await limitingOf(exchange)
      if (!limiting) return inward(passage)
      const { limiter, rules } = limiting
      const key = await keyOf(exchange)
      const cost = await perRequest(options.cost, exchange.args)
      const admitted = (decision: RateDecision): string | undefined => {
        const { allowed, retryAfter, standings } = decision
        if (!allowed) throw new RateLimitedError('The quota is spent', { retryAfter, standings })
        exchange.state.holdfast.rateLimit = decision
        announce(exchange, limiting, standings, false)
        // Whom a shadow would have refused has to wait for nothing.
        return retryAfter > 0 ? 'shadow' : undefined
      }
      try {
        if (settings.skips) {
          const reservation = await limiter.reserve({ key, cost })
          const as = admitted(asIfSpent(reservation, cost ?? 1, rules))
          const verdict = inward(passage, as)
          return await settling(reservation, settings.skips, exchange, verdict, options.onEvent)
        }
        const decision = settings.timeout
          ? await limiter.wait({ key, cost, timeout: settings.timeout, signal: passage.signal })
          : await limiter.consume({ key, cost })
        return await inward(passage, admitted(decision))
      } catch (error) {
        if (error instanceof RateLimitedError) announce(exchange, limiting, error.standings, true)
        throw error
      }
    },
  }
}

interface Settings {
  readonly headers: boolean
  readonly legacyHeaders: boolean
  readonly timeout: number
  /** Which requests spend nothing by their answers; undefined when every one spends. */
  readonly skips: Skipping | undefined
}

function readOptions<A extends readonly unknown[]>(options: RateLimitGuardOptions<A>): Settings {
  expectGuardOptions(options)
  const { limit, window, burst, rules, key, cost, timeout, name, mode = 'enforce' } = options
  if (rules !== undefined && [limit, window, burst].some((each) => each !== undefined)) {
    throw new InvalidArgumentError('Expected `rules`, or `limit` and `window`, and not both')
  }
  const isDynamic = typeof limit === 'function'
  const checked = isDynamic ? rulesOf({ ...options, burst: 1 }, 1) : rulesOf(options, limit)
  readRules(checked)
  if (isDynamic && burst !== undefined) expectInteger('burst', burst, 1, 1e9)
  if (key !== undefined && typeof key !== 'function') expectName('key', key)
  if (cost !== undefined && typeof cost !== 'function') expectInteger('cost', cost, 1)
  if (options.maxWaiters !== undefined) expectInteger('maxWaiters', options.maxWaiters)
  expectOneOf('mode', mode, ['enforce', 'shadow'])
  const headers = expectBoolean('headers', options.headers, true)
  if (headers && name !== undefined) expectPrintable('name', name)
  if (headers) for (const rule of checked) expectPrintable('name', rule.name ?? '')
  const { skipFailedRequests, skipSuccessfulRequests } = options
  const failed = expectBoolean('skipFailedRequests', skipFailedRequests, false)
  const successful = expectBoolean('skipSuccessfulRequests', skipSuccessfulRequests, false)
  const skips = failed || successful ? { failed, successful } : undefined
  if (skips && timeout) {
    throw new InvalidArgumentError(
      'Expected `timeout`, or requests that are skipped by their answers, and not both: what others will spend is not known',
    )
  }
  return {
    headers,
    legacyHeaders: expectBoolean('legacyHeaders', options.legacyHeaders, false),
    timeout: expectWait('timeout', timeout),
    skips,
  }
}

/** The rules, each with the name that its policy has: one that stays when the limit changes, so that what was spent does too. */
function rulesOf<A extends readonly unknown[]>(
  { rules, window, burst, name }: RateLimitGuardOptions<A>,
  limit: number | PerRequest<A, number> | undefined,
): readonly RateLimit[] {
  const listed = rules === undefined ? [{ limit, window, burst, name } as RateLimit] : rules
  // What is no list is refused where rules are read.
  if (!Array.isArray(listed)) return listed
  return listed.map((rule: RateLimit) => {
    const { name = `per-${rule.window / 1000}s`, ...terms } = expectOptions(
      rule,
      'such as `{ limit: 100, window: 60_000 }`',
    )
    return { ...terms, name }
  })
}

function violatedOf(standings: readonly RuleStanding[]): readonly string[] {
  return standings.filter(({ retryAfter }) => retryAfter > 0).map(({ rule }) => rule)
}

function policyOf({ name = '', limit, window }: RateLimit): QuotaPolicy {
  return { name, quota: limit, window: seconds(window) }
}

function announceStandings(
  exchange: Pick<Exchange, 'announce'>,
  standings: readonly RuleStanding[],
  isRefused: boolean,
): void {
  if (standings.length === 0) return
  const left = standings.map(({ rule, remaining, retryAfter, resetAfter }) => ({
    name: rule,
    remaining,
    // Of a refusal: never later than its Retry-After, which is that of the policies that refuse.
    reset: isRefused ? (retryAfter > 0 ? seconds(retryAfter) : undefined) : seconds(resetAfter),
  }))
  announceLeft(exchange, left)
}

function seconds(milliseconds: number): number {
  return Math.ceil(milliseconds / 1000)
}
