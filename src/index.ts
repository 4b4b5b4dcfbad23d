/**
 * Distributed primitives for Node web services that show up in your traces.
 *
 * @module
 */
export { MemoryAdapter, type MemoryAdapterOptions } from './adapters/memory/index.ts'
export * from './core/error-guards.ts'
export * from './core/errors.ts'
export {
  type Executed,
  type ExecutionContext,
  Idempotency,
  type IdempotencyOptions,
  type IdempotencyProvider,
  type LostCall,
  type Resolution,
  type RunOptions,
} from './core/idempotency.ts'
export {
  type AcquireOptions,
  Lock,
  type LockContext,
  LockGuard,
  type LockOptions,
} from './core/lock.ts'
export { Permit, type PermitOptions, Semaphore, type SemaphoreOptions } from './core/semaphore.ts'
