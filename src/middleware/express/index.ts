/**
 * The guards as middlewares for Express 4 and 5.
 *
 * @module
 */
import type { Request } from 'express'
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
import type { ExpressArgs } from './express-exchange.ts'
import { type Middleware, middleware, type OnRefused } from './middleware.ts'

declare global {
  namespace Express {
    interface Request {
      /** The request's scope; there once `requestScope()` has run. */
      scope: Scope
      /** What the guards of the route hold for this request. */
      holdfast: HoldfastState
    }
  }
}

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
export type { ExpressArgs, GuardOptions, Middleware, OnRefused }
export { addressKey }

/** What every middleware takes besides its own options. */
export interface Refusable {
  /**
   * Answers refused requests instead of problem+json: send something, or pass the error to `next`.
   *
   * Not asked when a handler that still runs is answered for: a 504, a lost lease.
   */
  readonly onRefused?: OnRefused | undefined
}

/** Options of {@link idempotency}. */
export type IdempotencyOptions = IdempotencyGuardOptions<ExpressArgs> & Refusable
/** Options of {@link lock}. */
export type LockOptions = LockGuardOptions<ExpressArgs> & Refusable
/** Options of {@link semaphore}. */
export type SemaphoreOptions = SemaphoreGuardOptions<ExpressArgs> & Refusable
/** Options of {@link timeout}. */
export type TimeoutOptions = TimeoutGuardOptions<ExpressArgs> & Refusable
/** Options of {@link rateLimit}. */
export type RateLimitOptions = RateLimitGuardOptions<ExpressArgs> & Refusable
/** Options of {@link circuitBreaker}. */
export type CircuitBreakerOptions = CircuitBreakerGuardOptions<ExpressArgs> & Refusable
/** Options of {@link requestScope}. */
export type RequestScopeOptions = EngineRequestScopeOptions<ExpressArgs>
/** Options of {@link protect}. */
export type ProtectOptions = EngineProtectOptions<ExpressArgs> & Refusable

/**
 * Gives each request a scope, as `req.scope` and `currentScope()`, that ends when its handler has ended.
 *
 * Its signal aborts when the client disconnects (unless an idempotency key was accepted), on the timeout, and when the
 * service or the parent ends. Its provider serves the guards behind it. Its `drain()` ends the service in order.
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { MemoryAdapter } from 'holdfast'
 * import { requestScope } from 'holdfast/express'
 *
 * const scopes = requestScope({ provider: new MemoryAdapter(), timeout: 30_000 })
 * const app = express()
 * app.use(scopes)
 * app.get('/', (req, res) => {
 *   res.json({ aborted: req.scope.signal.aborted })
 * })
 * const server = app.listen(3000)
 * process.once('SIGTERM', () => scopes.drain({ server }))
 * ```
 */
export function requestScope(options: RequestScopeOptions = {}): Middleware & Drainable {
  const tell = (scope: Scope, req: Request): void => {
    req.scope = scope
  }
  const drain = new Drain()
  const guards = [requestScopeGuard(options, drain, tell)]
  return drainable(middleware('requestScope', guards, undefined), drain)
}

/**
 * Runs a request with an `Idempotency-Key` once and replays its answer to retries.
 *
 * Mount it after authentication and body parsing, before what it protects. Follows
 * draft-ietf-httpapi-idempotency-key-header-07: 400 for a missing or invalid key, 409 while the first request runs, 422
 * for the same key with another payload. The answer is stored before its last byte leaves; a 5xx is not stored.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { idempotency } from 'holdfast/express'
 *
 * const app = express()
 * app.use(express.json(), idempotency())
 * app.post('/payments', (_req, res) => {
 *   res.status(201).json({ paymentId: 'p1' })
 * })
 * ```
 */
export function idempotency(options: IdempotencyOptions = {}): Middleware {
  return middleware('idempotency', [idempotencyGuard(options)], options.onRefused)
}

/**
 * Runs the handler while a lock is held; a request that cannot have it is answered 409 with Retry-After.
 *
 * The lock is released when the handler has ended its answer, also when the client has left or was answered 504.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { lock } from 'holdfast/express'
 *
 * const app = express()
 * app.post('/orders/:id/ship', lock({ key: (req) => `order:${req.params.id}`, timeout: 2_000 }), (req, res) => {
 *   res.json({ fencingToken: req.holdfast.lock?.fencingToken })
 * })
 * ```
 */
export function lock(options: LockOptions): Middleware {
  return middleware('lock', [lockGuard(options)], options.onRefused)
}

/**
 * Lets no more than `limit` requests run at a time, over all processes; others are answered 503 with Retry-After.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { semaphore } from 'holdfast/express'
 *
 * const app = express()
 * app.get('/reports', semaphore({ limit: 2, timeout: 300 }), (_req, res) => {
 *   res.json([])
 * })
 * ```
 */
export function semaphore(options: SemaphoreOptions): Middleware {
  return middleware('semaphore', [semaphoreGuard(options)], options.onRefused)
}

/**
 * Lets a client send no more than `limit` requests in a window, over all processes; others are answered 429 with
 * Retry-After.
 *
 * Every answer says what is left in `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11). A
 * client is its address, as Express's own `trust proxy` setting tells it, unless `key` says otherwise. Requests pass when the store does not
 * answer, unless `onStoreError` says otherwise.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { rateLimit } from 'holdfast/express'
 *
 * const app = express()
 * app.use(rateLimit({ name: 'api', limit: 100, window: 60_000 }))
 * app.post('/search', rateLimit({ limit: 5, window: 1_000, key: (req) => req.get('x-api-key') ?? 'none' }), (req, res) => {
 *   res.json({ left: req.holdfast.rateLimit?.remaining })
 * })
 * ```
 */
export function rateLimit(options: RateLimitOptions): Middleware {
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
 * import express from 'express'
 * import { circuitBreaker } from 'holdfast/express'
 *
 * const app = express()
 * app.get('/prices', circuitBreaker({ failureThreshold: 5, resetTimeout: 30_000 }), async (_req, res) => {
 *   const upstream = await fetch('http://prices.internal/')
 *   res.status(upstream.status).json(await upstream.json())
 * })
 * ```
 */
export function circuitBreaker(options: CircuitBreakerOptions = {}): Middleware {
  return middleware('circuitBreaker', [circuitBreakerGuard(options)], options.onRefused)
}

/**
 * Answers 504 when the handler takes too long; `req.scope.signal` aborts then, and what is held stays held until the
 * handler has ended.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import express from 'express'
 * import { timeout } from 'holdfast/express'
 *
 * const app = express()
 * app.get('/slow', timeout(10_000), (_req, res) => {
 *   res.json([])
 * })
 * ```
 */
export function timeout(options: number | TimeoutOptions): Middleware {
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
 * import express from 'express'
 * import { protect } from 'holdfast/express'
 *
 * const app = express()
 * app.post(
 *   '/orders/:id/pay',
 *   express.json(),
 *   protect({
 *     idempotency: { required: true },
 *     lock: { key: (req) => `order:${req.params.id}`, timeout: 2_000 },
 *     timeout: 10_000,
 *   }),
 *   (_req, res) => {
 *     res.status(201).json({ paid: true })
 *   },
 * )
 * ```
 */
export function protect(options: ProtectOptions): Middleware {
  return middleware('protect', protectGuards(options), options.onRefused)
}
