// The circuit breaker guard: a route whose answers fail is left alone for a while, by all processes together.
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
  readBreakerSettings,
} from '../../core/circuit-breaker.ts'
import { expectFunction, expectOneOf, expectOptions } from '../../core/expect.ts'
import type { Passage } from '../../core/policy.ts'
import type { End } from './answer.ts'
import type { Exchange } from './exchange.ts'
import {
  expectGuardOptions,
  type Guard,
  type GuardOptions,
  type Inward,
  providerOf,
  requiredName,
  type Verdict,
} from './guard.ts'
import { Instances } from './instances.ts'

/** What of an answer says whether the dependency of a route has failed. */
export interface JudgedAnswer {
  readonly status: number
  /** What the handler threw, where the framework tells. */
  readonly error?: unknown
}

/** Options of `circuitBreaker()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface CircuitBreakerGuardOptions<A extends readonly unknown[]>
  extends Omit<GuardOptions<A>, 'onStoreError'>,
    Omit<CircuitBreakerOptions, 'stateProvider' | 'key' | 'isFailure' | 'name'> {
  /** Whether an answer says that what the route depends on has failed; default: a status of 500 or more. */
  readonly isFailure?: ((answer: JudgedAnswer, ...args: A) => boolean) | undefined
  /**
   * When a stream is judged: by its status when it begins, or when it has ended, so that one that breaks off fails.
   *
   * @defaultValue `'head'`
   */
  readonly at?: 'head' | 'end' | undefined
}

/** Makes the circuit breaker guard. */
export function circuitBreakerGuard<A extends readonly unknown[]>(
  options: CircuitBreakerGuardOptions<A> = {},
): Guard<A> {
  expectGuardOptions(expectOptions(options, 'such as `{ failureThreshold: 5 }`'))
  const { isFailure = ({ status }: JudgedAnswer) => status >= 500, at = 'head' } = options
  expectFunction('isFailure', isFailure)
  const judgesHead = expectOneOf('at', at, ['head', 'end']) === 'head'
  const terms = { ...options, isFailure: (error: unknown) => error instanceof FailedAnswer }
  readBreakerSettings(terms)
  const instances = new Instances<CircuitBreaker>()

  const breakerOf = (exchange: Exchange<A>): CircuitBreaker => {
    const guard = 'circuitBreaker()'
    const name = requiredName(guard, options, exchange)
    const stateProvider = providerOf(options, exchange)
    return instances.get(
      stateProvider,
      name,
      () => new CircuitBreaker({ ...terms, stateProvider, key: name, name }),
    )
  }
  const judge = (answer: JudgedAnswer, args: A): void => {
    if (isFailure(answer, ...args)) throw new FailedAnswer(answer)
  }
  const call = async (
    exchange: Exchange<A>,
    passage: Passage,
    inward: Inward,
    entered: (verdict: Promise<Verdict>) => void,
  ): Promise<void> => {
    const ended = inward(passage)
    entered(ended)
    const begun = judgesHead ? exchange.begun().then((status) => ({ status })) : undefined
    const first = await (begun ? Promise.race([ended, begun]) : ended)
    if (!('kind' in first)) judge(first, exchange.args)
    else if (first.kind !== 'proceed' || saysNothing(first.end)) throw new NoAnswer()
    else judge(first.end, exchange.args)
  }

  return {
    kind: 'circuit_breaker',
    options,
    concludes: true,
    async enter(exchange, passage, inward) {
      let verdict: Promise<Verdict> | undefined
      const work = () =>
        call(exchange, passage, inward, (entered) => {
          verdict = entered
        })
      try {
        await breakerOf(exchange).execute(work, { signal: passage.signal })
      } catch (error) {
        // Without a verdict the breaker has refused; else the answer goes out, whatever the breaker makes of it.
        const isJudgement = error instanceof FailedAnswer || error instanceof NoAnswer
        if (!verdict || !isJudgement) throw error
      }
      return verdict as Promise<Verdict>
    },
  }
}

/** An answer that another guard has made, or that nobody waits for, says nothing about the handler's dependency. */
function saysNothing({ refused, late }: End): boolean {
  return refused || late
}

/** Tells a breaker that its call has failed; `name` is what telemetry says of it. */
class FailedAnswer extends Error {
  constructor({ status, error }: JudgedAnswer) {
    super(`Answered with ${status}`, { cause: error })
    this.name = String(status)
  }
}

/** Tells a breaker that its call says nothing. */
class NoAnswer extends Error {
  static {
    NoAnswer.prototype.name = 'NoAnswer'
  }
}
