// Several guards on one route, in the order that policies have, whatever order they are written in.
import { expectOptions, refuse } from '../../core/expect.ts'
import { POLICY_ORDER, type PolicyKind } from '../../core/policy.ts'
import { type CircuitBreakerGuardOptions, circuitBreakerGuard } from './breaking.ts'
import type { Guard, GuardOptions } from './guard.ts'
import {
  type LockGuardOptions,
  lockGuard,
  type SemaphoreGuardOptions,
  semaphoreGuard,
} from './holding.ts'
import { idempotencyGuard } from './idempotency.ts'
import type { IdempotencyGuardOptions } from './idempotency-options.ts'
import { type RateLimitGuardOptions, rateLimitGuard } from './rate-limiting.ts'
import { type TimeoutGuardOptions, timeoutGuard } from './timing.ts'

/** Options of `protect()`: what each guard alone takes, and what all of them share. */
export interface ProtectOptions<A extends readonly unknown[]> extends GuardOptions<A> {
  readonly idempotency?: IdempotencyGuardOptions<A> | undefined
  /** Milliseconds until the request is answered with 504. */
  readonly timeout?: number | TimeoutGuardOptions<A> | undefined
  readonly rateLimit?: RateLimitGuardOptions<A> | undefined
  readonly circuitBreaker?: CircuitBreakerGuardOptions<A> | undefined
  readonly lock?: LockGuardOptions<A> | undefined
  readonly semaphore?: SemaphoreGuardOptions<A> | undefined
}

/** Makes the guards of a route, outermost first. */
export function protectGuards<A extends readonly unknown[]>(
  options: ProtectOptions<A>,
): readonly Guard<A>[] {
  const { idempotency, timeout, rateLimit, circuitBreaker, lock, semaphore, ...shared } =
    expectOptions(options, 'such as `{ lock: { key } }`')
  const guardOf = <O extends GuardOptions<A>>(
    kind: PolicyKind,
    own: O | undefined,
    make: (options: O) => Guard<A>,
  ): Guard<A> | undefined => {
    if (own === undefined) return undefined
    // Null is no way to leave one out, or a route would be unguarded.
    if (typeof own !== 'object' || own === null) refuse(kind, 'an object of its options', own)
    return make({ ...shared, ...stated(own) })
  }
  const timed = typeof timeout === 'number' ? { timeout } : timeout
  const guards = {
    idempotency: guardOf('idempotency', idempotency, idempotencyGuard),
    timeout: guardOf('timeout', timed, timeoutGuard),
    retry: undefined,
    rateLimit: guardOf('rateLimit', rateLimit, rateLimitGuard),
    circuitBreaker: guardOf('circuitBreaker', circuitBreaker, circuitBreakerGuard),
    lock: guardOf('lock', lock, lockGuard),
    semaphore: guardOf('semaphore', semaphore, semaphoreGuard),
  }
  return POLICY_ORDER.map((kind) => guards[kind]).filter((guard) => guard !== undefined)
}

/** The options without those that are undefined, which say nothing. */
function stated<O extends object>(options: O): O {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as O
}
