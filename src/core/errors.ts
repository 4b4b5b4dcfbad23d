// Every error of the library: one class for each thing that a caller may handle differently.
import type { RuleStanding } from './ports.ts'

const BRAND: unique symbol = Symbol.for('holdfast.error') as never

/** What every error of the library may carry. */
export interface ErrorDetails {
  /** The key of the lock, semaphore, idempotent call or task that the error is about. */
  readonly key?: string | undefined
  /** The error behind this one. */
  readonly cause?: unknown
}

/**
 * The class that every error of the library extends; tell them apart by `code` or by their guards.
 *
 * @example
 * ```ts
 * import { isHoldfastError, Lock } from 'holdfast'
 *
 * const lock = new Lock(undefined, { key: 'report' })
 * try {
 *   await lock.run(async () => 'done', { timeout: 1_000 })
 * } catch (error) {
 *   if (isHoldfastError(error)) console.log(error.code, error.key)
 * }
 * ```
 */
export abstract class HoldfastError extends Error {
  /** A literal that names the class, such as `ERR_HOLDFAST_LEASE_LOST`. */
  abstract readonly code: string
  /** The key of the lock, semaphore, idempotent call or task that the error is about. */
  readonly key: string | undefined

  /** Makes an error with a message that names the subject and the remedy. */
  constructor(message: string, { key, cause }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.key = key
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** How an ambiguous store call ended: `none` had certainly no effect, `unknown` may have had one. */
export type StoreOutcome = 'none' | 'unknown'

/** An argument or option is not of the documented form, which is found before anything is done, or a function did what it must not. */
export class InvalidArgumentError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_INVALID_ARGUMENT'
  static {
    InvalidArgumentError.prototype.name = 'InvalidArgumentError'
  }
}

/** The lock or permit could not be had within the caller's `timeout`; it is not held. */
export class AcquireTimeoutError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_ACQUIRE_TIMEOUT'
  /** Milliseconds until trying again is likely to help. */
  readonly retryAfter: number
  static {
    AcquireTimeoutError.prototype.name = 'AcquireTimeoutError'
  }
  /** Makes the error; `retryAfter` is in milliseconds. */
  constructor(message: string, details: ErrorDetails & { readonly retryAfter?: number } = {}) {
    super(message, details)
    this.retryAfter = details.retryAfter ?? 1_000
  }
}

/** A task or request took longer than its `timeout`. */
export class TimeoutError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_TIMEOUT'
  static {
    TimeoutError.prototype.name = 'TimeoutError'
  }
}

/** The caller's signal was aborted; its reason is the `cause`, and nothing is held. */
export class AbortedError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_ABORTED'
  static {
    AbortedError.prototype.name = 'AbortedError'
  }
}

/** The client of a request went away before it was answered. */
export class ClientDisconnectedError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_CLIENT_DISCONNECTED'
  static {
    ClientDisconnectedError.prototype.name = 'ClientDisconnectedError'
  }
}

/** A lease ended before it was released: exclusion is no longer guaranteed. */
export class LeaseLostError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_LEASE_LOST'
  static {
    LeaseLostError.prototype.name = 'LeaseLostError'
  }
}

/** The store did not answer in time, refused, or cannot be reached. */
export class StoreUnavailableError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_STORE_UNAVAILABLE'
  /** Whether the call may have had an effect. */
  readonly outcome: StoreOutcome
  static {
    StoreUnavailableError.prototype.name = 'StoreUnavailableError'
  }
  /** Makes the error with what is known of the call's effect. */
  constructor(message: string, details: ErrorDetails & { readonly outcome: StoreOutcome }) {
    super(message, details)
    this.outcome = details.outcome
  }
}

/** The store holds something at this key that the library did not write; nothing was overwritten. */
export class StoreCorruptError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_STORE_CORRUPT'
  static {
    StoreCorruptError.prototype.name = 'StoreCorruptError'
  }
}

/** As many callers of this process as `maxWaiters` allows wait for this key already. */
export class QueueFullError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_QUEUE_FULL'
  static {
    QueueFullError.prototype.name = 'QueueFullError'
  }
}

/** The circuit breaker is open: the call was not made. */
export class CircuitOpenError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_CIRCUIT_OPEN'
  /** Milliseconds until the dependency is probed. */
  readonly retryAfter: number
  static {
    CircuitOpenError.prototype.name = 'CircuitOpenError'
  }
  /** Makes the error; `retryAfter` is in milliseconds. */
  constructor(message: string, details: ErrorDetails & { readonly retryAfter: number }) {
    super(message, details)
    this.retryAfter = details.retryAfter
  }
}

/** The rate limit does not allow it now. */
export class RateLimitedError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_RATE_LIMITED'
  /** Milliseconds until it would be allowed. */
  readonly retryAfter: number
  /** How each rule stands, in their order; those that refuse have a `retryAfter`. Empty where it is not known. */
  readonly standings: readonly RuleStanding[]
  static {
    RateLimitedError.prototype.name = 'RateLimitedError'
  }
  /** Makes the error; `retryAfter` is in milliseconds. */
  constructor(
    message: string,
    details: ErrorDetails & {
      readonly retryAfter: number
      readonly standings?: readonly RuleStanding[]
    },
  ) {
    super(message, details)
    this.retryAfter = details.retryAfter
    this.standings = details.standings ?? []
  }
}

/** Another caller executes this idempotent call right now. */
export class InProgressError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_IN_PROGRESS'
  /** Milliseconds until the running call's lease ends unless it is renewed. */
  readonly retryAfter: number
  static {
    InProgressError.prototype.name = 'InProgressError'
  }
  /** Makes the error; `retryAfter` is in milliseconds. */
  constructor(message: string, details: ErrorDetails & { readonly retryAfter: number }) {
    super(message, details)
    this.retryAfter = details.retryAfter
  }
}

/** The idempotency key was used before with another payload. */
export class FingerprintMismatchError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_FINGERPRINT_MISMATCH'
  static {
    FingerprintMismatchError.prototype.name = 'FingerprintMismatchError'
  }
}

/** An earlier execution ended without recording its outcome, so that running again could do the work twice. */
export class OutcomeUnknownError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_OUTCOME_UNKNOWN'
  static {
    OutcomeUnknownError.prototype.name = 'OutcomeUnknownError'
  }
}

/** The idempotent call was executed, but its value was not kept; it never runs again. */
export class NotReplayableError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_NOT_REPLAYABLE'
  static {
    NotReplayableError.prototype.name = 'NotReplayableError'
  }
}

/** A checkpoint came too late: another worker, or a later step, has saved before it; nothing was changed. */
export class StaleCheckpointError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_STALE_CHECKPOINT'
  /** Where the task's checkpoints stand: the fencing token of the last worker, and the sequence of its last step. */
  readonly current: { readonly token: number; readonly sequence: number }
  static {
    StaleCheckpointError.prototype.name = 'StaleCheckpointError'
  }
  /** Makes the error with what stands in the store. */
  constructor(
    message: string,
    details: ErrorDetails & {
      readonly current: { readonly token: number; readonly sequence: number }
    },
  ) {
    super(message, details)
    this.current = details.current
  }
}

/** A checkpoint was saved with another `schemaVersion`, and there is no `migrate`; nothing was changed. */
export class SchemaMismatchError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_SCHEMA_MISMATCH'
  /** The version that the checkpoint was saved with. */
  readonly found: number
  /** The version that was asked for. */
  readonly expected: number
  static {
    SchemaMismatchError.prototype.name = 'SchemaMismatchError'
  }
  /** Makes the error with both versions. */
  constructor(
    message: string,
    details: ErrorDetails & { readonly found: number; readonly expected: number },
  ) {
    super(message, details)
    this.found = details.found
    this.expected = details.expected
  }
}

/** The scope, lock or adapter has ended; nothing more can be asked of it. */
export class ClosedError extends HoldfastError {
  readonly code = 'ERR_HOLDFAST_CLOSED'
  static {
    ClosedError.prototype.name = 'ClosedError'
  }
}
