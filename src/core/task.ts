// What a task may be guarded by, and how its options become policies.
import type { BreakerProvider } from './breaker-mirror.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { RateLimitedError } from './errors.ts'
import {
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectOptions,
  expectTimeout,
  expectWait,
} from './expect.ts'
import { Idempotency, type IdempotencyOptions } from './idempotency.ts'
import { type AcquireOptions, Lock, type LockOptions } from './lock.ts'
import { holdingPolicy, inside, type RetryOptions, retryPolicy, timeoutPolicy } from './policies.ts'
import { inOrder, type Policy } from './policy.ts'
import type { Adapter } from './ports.ts'
import { RateLimiter, type RateLimiterOptions, type RateLimitProvider } from './rate-limiter.ts'
import { Semaphore, type SemaphoreOptions } from './semaphore.ts'
import { type SharedBreakerOptions, sharedBreaker } from './shared-breakers.ts'

/** The lock of a task: a {@link Lock}, or the options of one that is made for it. */
export type TaskLock = Lock | (LockOptions & Pick<AcquireOptions, 'timeout'>)

/** The semaphore of a task: a {@link Semaphore}, or the options of one that is made for it. */
export type TaskSemaphore =
  | Semaphore
  | (SemaphoreOptions & Pick<AcquireOptions, 'timeout'> & { readonly limit: number })

/** The rate limit of a task: a {@link RateLimiter}, or the options of one. */
export type TaskRateLimit = RateLimiter | RateLimiterOptions

/**
 * The circuit breaker of a task: a {@link CircuitBreaker}, or the options of one, which all tasks of this process that
 * name the same `key` and store share; the options of the first of them hold.
 */
export type TaskCircuitBreaker = CircuitBreaker | SharedBreakerOptions

/** The idempotency of a task: its key, and where and how long the outcome is kept. */
export interface TaskIdempotency extends IdempotencyOptions {
  readonly key: string
  /** What the task was asked to do: the same key with another fingerprint is refused. */
  readonly fingerprint?: string | undefined
  /**
   * Milliseconds to wait for the value while another caller runs the task.
   *
   * @defaultValue 0
   */
  readonly wait?: number | undefined
}

/** Options of `Scope.task`; the policies apply in one order, whatever order they are written in. */
export interface TaskOptions {
  /** The name of the task in messages. */
  readonly name?: string | undefined
  /** Milliseconds after which the caller is answered with a `TimeoutError` and the task's signal aborts. */
  readonly timeout?: number | undefined
  /** Ends the task. */
  readonly signal?: AbortSignal | undefined
  /** How often a failed task is tried, or how; default: once. */
  readonly retry?: number | RetryOptions | undefined
  /** Runs the task once for a key and replays its value afterwards. */
  readonly idempotency?: TaskIdempotency | undefined
  /** Spends a unit of a rate limit for each attempt; a refusal is a `RateLimitedError`. */
  readonly rateLimit?: TaskRateLimit | undefined
  /**
   * Calls the task through a circuit breaker; an open one is a `CircuitOpenError`.
   *
   * A timeout of the task counts as a failure when it passes, whether or not the function settles. A task that was
   * aborted, or refused by its lock or semaphore, counts for nothing.
   */
  readonly circuitBreaker?: TaskCircuitBreaker | undefined
  /** Runs the task while a lock is held. */
  readonly lock?: TaskLock | undefined
  /** Runs the task while a permit is held. */
  readonly semaphore?: TaskSemaphore | undefined
}

/** What a task takes from the scope that it runs in. */
interface Surroundings {
  readonly provider: Adapter | undefined
}

/** The policies of a task's options, as one. */
export function taskPolicy(scope: Surroundings, options: TaskOptions): Policy {
  const { name, timeout, retry, idempotency, lock, semaphore } = options
  const { rateLimit, circuitBreaker } = options
  const subject = name === undefined ? 'The task' : `The task '${expectName('name', name)}'`
  return inOrder({
    idempotency: given(idempotency, (options) => idempotencyPolicy(scope, options)),
    timeout: given(timeout, (ms) => timeoutPolicy(expectDuration('timeout', ms), subject)),
    retry: given(retry, (options) => retryPolicy(readRetry(options))),
    rateLimit: given(rateLimit, (options) => rateLimitPolicy(scope, options)),
    circuitBreaker: given(circuitBreaker, (options) => breakerPolicy(scope, options)),
    lock: given(lock, (options) => lockPolicy(scope, options)),
    semaphore: given(semaphore, (options) => semaphorePolicy(scope, options)),
  })
}

/** The policy of an option, unless it is left out; null is no way to leave one out, or a task would run unguarded. */
function given<O>(option: O | undefined, policy: (option: O) => Policy): Policy | undefined {
  return option === undefined ? undefined : policy(option)
}

function idempotencyPolicy(scope: Surroundings, options: TaskIdempotency): Policy {
  const {
    key,
    fingerprint,
    wait,
    provider = scope.provider,
    ...rest
  } = expectOptions(options, 'such as `{ key }`')
  expectWait('wait', wait)
  const idempotency = new Idempotency({ ...rest, provider })
  return async (passage, next) => {
    // Generic over the work's value: the record is typed by whoever reads it.
    const work = (context: { readonly signal: AbortSignal }) =>
      inside(passage, () => context.signal, next)
    const { signal } = passage
    const executed = await idempotency.run(key, work, { fingerprint, wait, signal })
    return executed.value as Awaited<ReturnType<typeof work>>
  }
}

function rateLimitPolicy(scope: Surroundings, limit: TaskRateLimit): Policy {
  const limiter =
    limit instanceof RateLimiter ? limit : new RateLimiter(readRateLimit(scope, limit))
  return async (passage, next) => {
    const { allowed, retryAfter, rule, standings } = await limiter.consume()
    if (allowed) return next(passage)
    throw new RateLimitedError(`The rate limit '${rule}' is exhausted for ${retryAfter} ms more`, {
      retryAfter,
      standings,
    })
  }
}

function readRateLimit(scope: Surroundings, limit: RateLimiterOptions): RateLimiterOptions {
  const {
    // What the scope's store lacks is found when the limiter is made.
    provider = scope.provider as RateLimitProvider | undefined,
    ...options
  } = expectOptions(limit, 'such as `{ key, limit: 100, window: 60_000 }`')
  return { ...options, provider }
}

function breakerPolicy(scope: Surroundings, breaker: TaskCircuitBreaker): Policy {
  const shared =
    breaker instanceof CircuitBreaker ? breaker : sharedBreaker(readBreaker(scope, breaker))
  return (passage, next) => shared.execute(() => next(passage), { signal: passage.signal })
}

function readBreaker(scope: Surroundings, breaker: SharedBreakerOptions): SharedBreakerOptions {
  const {
    key,
    stateProvider = scope.provider as BreakerProvider | undefined,
    ...options
  } = expectOptions(breaker, 'such as `{ key }`, or a CircuitBreaker')
  return { ...options, key: expectName('key', key), stateProvider }
}

function lockPolicy(scope: Surroundings, lock: TaskLock): Policy {
  if (lock instanceof Lock) return holdingPolicy((signal) => lock.acquire({ signal }))
  const {
    timeout,
    provider = scope.provider,
    ...options
  } = expectOptions(lock, 'such as `{ key }`, or a Lock')
  expectTimeout('timeout', timeout)
  const made = new Lock(undefined, { ...options, provider })
  return holdingPolicy((signal) => made.acquire({ timeout, signal }))
}

function semaphorePolicy(scope: Surroundings, semaphore: TaskSemaphore): Policy {
  if (semaphore instanceof Semaphore) return holdingPolicy((signal) => semaphore.acquire(signal))
  const {
    timeout,
    limit,
    provider = scope.provider,
    ...options
  } = expectOptions(semaphore, 'such as `{ key, limit }`')
  expectTimeout('timeout', timeout)
  const made = new Semaphore(limit, { ...options, provider })
  return holdingPolicy((signal) => made.acquire({ timeout, signal }))
}

function readRetry(retry: number | RetryOptions): RetryOptions {
  if (typeof retry === 'number') return { attempts: expectInteger('retry', retry) }
  const {
    attempts = 3,
    delay = 100,
    shouldRetry,
  } = expectOptions(retry, 'such as `{ attempts: 3 }`')
  return {
    attempts: expectInteger('retry.attempts', attempts),
    delay: expectDuration('retry.delay', delay),
    ...(shouldRetry === undefined
      ? {}
      : { shouldRetry: expectFunction('retry.shouldRetry', shouldRetry) }),
  }
}
