/**
 * Distributed primitives for Node web services that show up in your traces.
 *
 * @module
 */
export { MemoryAdapter, type MemoryAdapterOptions } from './adapters/memory/index.ts'
export type { BreakerProvider } from './core/breaker-mirror.ts'
export {
  Cache,
  type CacheEntry,
  type CacheGetOptions,
  type CacheOptions,
  type CacheSetOptions,
} from './core/cache.ts'
export type { LoadContext, Loader } from './core/cache-load.ts'
export type { CacheProvider } from './core/cache-store.ts'
export {
  CacheWarmer,
  type CacheWarmerOptions,
  type ReadyOptions,
  type WarmedEntry,
  type WarmedOptions,
} from './core/cache-warmer.ts'
export type { LeaderFunction, Term } from './core/candidacy.ts'
export type { Checkpoint, KeepOptions } from './core/checkpoint-history.ts'
export type { CheckpointRun, SaveOptions } from './core/checkpoint-run.ts'
export { CheckpointStore } from './core/checkpoint-store.ts'
export { Checkpointer, type CheckpointerOptions, type Migrate } from './core/checkpointer.ts'
export {
  type CallContext,
  CircuitBreaker,
  type CircuitBreakerOptions,
  type CircuitState,
  type StateListener,
} from './core/circuit-breaker.ts'
export * from './core/error-guards.ts'
export * from './core/errors.ts'
export type {
  Executed,
  ExecutionContext,
  IdempotencyProvider,
  Keep,
  LostCall,
  Recover,
  Resolution,
} from './core/execution.ts'
export type { Guard, Release } from './core/guard.ts'
export {
  Idempotency,
  type IdempotencyOptions,
  type RunOptions,
  type TransactionOptions,
} from './core/idempotency.ts'
export { type Leader, LeaderElection, type LeaderElectionOptions } from './core/leader-election.ts'
export {
  type AcquireOptions,
  Lock,
  type LockContext,
  LockGuard,
  type LockOptions,
} from './core/lock.ts'
export type { OwnershipProvider } from './core/ownership.ts'
export type { RetryOptions } from './core/policies.ts'
export type {
  Adapter,
  BreakerMove,
  BreakerPhase,
  BreakerView,
  Counts,
  EventListener,
  GrantView,
  HoldfastEvent,
  Meta,
  OutcomeReport,
  Outcomes,
  ResourceView,
  RuleStanding,
  TransactionClient,
  Transactions,
} from './core/ports.ts'
export {
  type ConsumeOptions,
  type RateDecision,
  type RateLimit,
  RateLimiter,
  type RateLimiterOptions,
  type RateLimitProvider,
  type RateReservation,
} from './core/rate-limiter.ts'
export type { Result } from './core/result.ts'
export {
  currentScope,
  Scope,
  type ScopeOptions,
  scope,
  type TaskContext,
  type TaskFunction,
} from './core/scope.ts'
export { Permit, type PermitOptions, Semaphore, type SemaphoreOptions } from './core/semaphore.ts'
export type { SharedBreakerOptions } from './core/shared-breakers.ts'
export type {
  TaskCircuitBreaker,
  TaskIdempotency,
  TaskLock,
  TaskOptions,
  TaskRateLimit,
  TaskSemaphore,
} from './core/task.ts'
