/**
 * The middleware engine: guards and their verdicts, for any framework.
 *
 * @module
 */

export { type Answer, BODY_HEADERS, type End } from './answer.ts'
export { Attachment } from './attachment.ts'
export {
  type CircuitBreakerGuardOptions,
  circuitBreakerGuard,
  type JudgedAnswer,
} from './breaking.ts'
export { concat } from './bytes.ts'
export { addressKey, type ClientOptions } from './client-address.ts'
export { decide } from './decide.ts'
export {
  type ClosableServer,
  Drain,
  type Drainable,
  type Drained,
  type DrainOptions,
  drainable,
} from './drain.ts'
export type { ClientEvidence, Exchange, RequestBody, RequestFile } from './exchange.ts'
export {
  expectOnRefused,
  type Guard,
  type GuardOptions,
  type PerRequest,
  type Verdict,
} from './guard.ts'
export {
  type LockGuardOptions,
  lockGuard,
  type SemaphoreGuardOptions,
  semaphoreGuard,
} from './holding.ts'
export { idempotencyGuard } from './idempotency.ts'
export type { IdempotencyGuardOptions } from './idempotency-options.ts'
export { withAnswer } from './problem.ts'
export { type ProtectOptions, protectGuards } from './protect.ts'
export { type RateLimitGuardOptions, rateLimitGuard } from './rate-limiting.ts'
export { type RequestScopeOptions, requestScopeGuard } from './request-scope.ts'
export { type HoldfastState, RequestState, stateOf } from './request-state.ts'
export type { StoredAnswer } from './stored-answer.ts'
export { type TimeoutGuardOptions, timeoutGuard } from './timing.ts'
