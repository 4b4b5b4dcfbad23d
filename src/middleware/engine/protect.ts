// Several guards on one route, in the order that policies have, whatever order they are written in.
import { expectOptions } from '../../core/expect.ts'
import { POLICY_ORDER } from '../../core/policy.ts'
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
  const guards = {
    idempotency: idempotency && idempotencyGuard({ ...shared, ...idempotency }),
    timeout:
      timeout === undefined
        ? undefined
        : timeoutGuard({
            ...shared,
            ...(typeof timeout === 'number' ? { timeout } : timeout),
          }),
    retry: undefined,
    rateLimit: rateLimit && rateLimitGuard({ ...shared, ...rateLimit }),
    circuitBreaker: circuitBreaker && circuitBreakerGuard({ ...shared, ...circuitBreaker }),
    lock: lock && lockGuard({ ...shared, ...lock }),
    semaphore: semaphore && semaphoreGuard({ ...shared, ...semaphore }),
  }
  return POLICY_ORDER.map((kind) => guards[kind]).filter((guard) => guard !== undefined)
}
