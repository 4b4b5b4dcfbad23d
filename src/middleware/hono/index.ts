/**
 * The guards as middlewares for Hono.
 *
 * @module
 */
import type { Context, MiddlewareHandler } from 'hono'
import type { Scope } from '../../core/scope.ts'
import {
  addressKey,
  type CircuitBreakerGuardOptions,
  circuitBreakerGuard,
  Drain,
  type Drainable,
  drainable,
  type ProtectOptions as EngineProtectOptions,
  type RequestScopeOptions as EngineRequestScopeOptions,
  type GuardOptions,
  type HoldfastState,
  type IdempotencyGuardOptions,
  idempotencyGuard,
  type LockGuardOptions,
  lockGuard,
  protectGuards,
  type RateLimitGuardOptions,
  rateLimitGuard,
  requestScopeGuard,
  type SemaphoreGuardOptions,
  semaphoreGuard,
  type TimeoutGuardOptions,
  timeoutGuard,
} from '../engine/index.ts'
import type { HonoArgs } from './hono-exchange.ts'
import { middleware, type OnRefused } from './middleware.ts'

export type {
  CircuitBreakerGuardOptions,
  ClientOptions,
  ClosableServer,
  Drainable,
  Drained,
  DrainOptions,
  HoldfastState,
  IdempotencyGuardOptions,
  JudgedAnswer,
  LockGuardOptions,
  PerRequest,
  ProtectOptions as ProtectGuardOptions,
  RateLimitGuardOptions,
  RequestScopeOptions as RequestScopeGuardOptions,
  SemaphoreGuardOptions,
  StoredAnswer,
  TimeoutGuardOptions,
} from '../engine/index.ts'
export type { GuardOptions, HonoArgs, OnRefused }
export { addressKey }

/** What every guard adds to the context. */
export interface GuardEnv {
  Variables: {
    /** What the guards of the route hold for this request. */
    holdfast: HoldfastState
  }
}

/** What {@link requestScope} adds to the context. */
export interface ScopeEnv {
  Variables: GuardEnv['Variables'] & {
    /** The request's scope. */
    scope: Scope
  }
}

/** What every middleware takes besides its own options. */
export interface Refusable {
  /**
   * Answers refused requests instead of problem+json.
   *
   * Not asked when a handler that still runs is answered for: a 504, a lost lease.
   */
  readonly onRefused?: OnRefused | undefined
}

/** Options of {@link idempotency}. */
export type IdempotencyOptions = IdempotencyGuardOptions<HonoArgs> & Refusable
/** Options of {@link lock}. */
export type LockOptions = LockGuardOptions<HonoArgs> & Refusable
/** Options of {@link semaphore}. */
export type SemaphoreOptions = SemaphoreGuardOptions<HonoArgs> & Refusable
/** Options of {@link timeout}. */
export type TimeoutOptions = TimeoutGuardOptions<HonoArgs> & Refusable
/** Options of {@link rateLimit}. */
export type RateLimitOptions = RateLimitGuardOptions<HonoArgs> & Refusable
/** Options of {@link circuitBreaker}. */
export type CircuitBreakerOptions = CircuitBreakerGuardOptions<HonoArgs> & Refusable
/** Options of {@link requestScope}. */
export type RequestScopeOptions = EngineRequestScopeOptions<HonoArgs>
/** Options of {@link protect}. */
export type ProtectOptions = EngineProtectOptions<HonoArgs> & Refusable

/**
 * Gives each request a scope, as `c.var.scope` and `currentScope()`, that ends when its handler has ended.
 *
 * Its signal aborts when the client disconnects (unless an idempotency key was accepted), on the timeout, and when the
 * service or the parent ends. Its provider serves the guards behind it. Its `drain()` ends the service in order.
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { MemoryAdapter } from 'holdfast'
 * import { requestScope } from 'holdfast/hono'
 *
 * const scopes = requestScope({ provider: new MemoryAdapter(), timeout: 30_000 })
 * const app = new Hono()
 *   .use(scopes)
 *   .get('/', (c) => c.json({ aborted: c.var.scope.signal.aborted }))
 * console.log((await app.request('/')).status)
 * console.log(await scopes.drain())
 * console.log((await app.request('/')).status)
 * ```
 */
export function requestScope(
  options: RequestScopeOptions = {},
): MiddlewareHandler<ScopeEnv> & Drainable {
  const tell = (scope: Scope, c: Context): void => c.set('scope', scope)
  const drain = new Drain()
  const guards = [requestScopeGuard(options, drain, tell)]
  return drainable(middleware<ScopeEnv>('requestScope', guards, undefined), drain)
}

/**
 * Runs a request with an `Idempotency-Key` once and replays its answer to retries.
 *
 * Mount it after authentication, before what it protects. Follows draft-ietf-httpapi-idempotency-key-header-07: 400 for
 * a missing or invalid key, 409 while the first request runs, 422 for the same key with another payload. The answer is
 * stored before it leaves; a 5xx is not stored.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { idempotency } from 'holdfast/hono'
 *
 * const app = new Hono()
 *   .use(idempotency())
 *   .post('/payments', (c) => c.json({ paymentId: 'p1' }, 201))
 * const headers = { 'Idempotency-Key': '"order-1"' }
 * console.log((await app.request('/payments', { method: 'POST', headers })).status)
 * ```
 */
export function idempotency(options: IdempotencyOptions = {}): MiddlewareHandler<GuardEnv> {
  return middleware('idempotency', [idempotencyGuard(options)], options.onRefused)
}

/**
 * Runs the handler while a lock is held; a request that cannot have it is answered 409 with Retry-After.
 *
 * The lock is released when the handler has ended, a stream with its last chunk, also when the client was answered 504.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { lock } from 'holdfast/hono'
 *
 * const app = new Hono().post(
 *   '/orders/:id/ship',
 *   lock({ key: (c) => `order:${c.req.param('id')}`, timeout: 2_000 }),
 *   (c) => c.json({ fencingToken: c.var.holdfast.lock?.fencingToken }),
 * )
 * console.log((await app.request('/orders/7/ship', { method: 'POST' })).status)
 * ```
 */
export function lock(options: LockOptions): MiddlewareHandler<GuardEnv> {
  return middleware('lock', [lockGuard(options)], options.onRefused)
}

/**
 * Lets no more than `limit` requests run at a time, over all processes; others are answered 503 with Retry-After.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { semaphore } from 'holdfast/hono'
 *
 * const app = new Hono().get('/reports', semaphore({ limit: 2, timeout: 300 }), (c) => c.json([]))
 * console.log((await app.request('/reports')).status)
 * ```
 */
export function semaphore(options: SemaphoreOptions): MiddlewareHandler<GuardEnv> {
  return middleware('semaphore', [semaphoreGuard(options)], options.onRefused)
}

/**
 * Lets a client send no more than `limit` requests in a window, over all processes; others are answered 429 with
 * Retry-After.
 *
 * Every answer says what is left in `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11). A
 * client is its address, as `trustedProxies` tells it, unless `key` says otherwise. Requests pass when the store does not
 * answer, unless `onStoreError` says otherwise.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { rateLimit } from 'holdfast/hono'
 *
 * const app = new Hono().post(
 *   '/search',
 *   rateLimit({ limit: 5, window: 1_000, key: (c) => c.req.header('x-api-key') ?? 'none' }),
 *   (c) => c.json({ left: c.var.holdfast.rateLimit?.remaining }),
 * )
 * const answer = await app.request('/search', { method: 'POST' })
 * console.log(answer.headers.get('RateLimit'))
 * ```
 */
export function rateLimit(options: RateLimitOptions): MiddlewareHandler<GuardEnv> {
  return middleware('rateLimit', [rateLimitGuard(options)], options.onRefused)
}

/**
 * Answers 503 with Retry-After, without running the handler, after too many of its answers have failed, in all processes
 * that share the store.
 *
 * A failure is a status of 500 or more, a thrown error, or a timeout further out; a 4xx, a client that leaves, and what
 * other guards refuse are none. When the store does not answer, this process decides alone.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { circuitBreaker } from 'holdfast/hono'
 *
 * const app = new Hono().get('/prices', circuitBreaker({ failureThreshold: 5, resetTimeout: 30_000 }), (c) =>
 *   c.json([1, 2, 3]),
 * )
 * console.log((await app.request('/prices')).status)
 * ```
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): MiddlewareHandler<GuardEnv> {
  return middleware('circuitBreaker', [circuitBreakerGuard(options)], options.onRefused)
}

/**
 * Answers 504 when the handler takes too long; `c.var.scope.signal` aborts then, and what is held stays held until the
 * handler has ended.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { timeout } from 'holdfast/hono'
 *
 * const app = new Hono().get('/slow', timeout(10_000), (c) => c.json([]))
 * console.log((await app.request('/slow')).status)
 * ```
 */
export function timeout(options: number | TimeoutOptions): MiddlewareHandler<GuardEnv> {
  const guards = [timeoutGuard(options)]
  return middleware('timeout', guards, typeof options === 'number' ? undefined : options.onRefused)
}

/**
 * Several guards on one route, always in one order: idempotency, timeout, rate limit, circuit breaker, lock, semaphore.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import { Hono } from 'hono'
 * import { protect } from 'holdfast/hono'
 *
 * const app = new Hono().post(
 *   '/orders/:id/pay',
 *   protect({
 *     idempotency: { required: true },
 *     lock: { key: (c) => `order:${c.req.param('id')}`, timeout: 2_000 },
 *     timeout: 10_000,
 *   }),
 *   (c) => c.json({ paid: true }, 201),
 * )
 * console.log((await app.request('/orders/7/pay', { method: 'POST' })).status)
 * ```
 */
export function protect(options: ProtectOptions): MiddlewareHandler<GuardEnv> {
  return middleware('protect', protectGuards(options), options.onRefused)
}
