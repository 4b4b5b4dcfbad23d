// Guards that tell the errors apart by code, so that they work across duplicated copies of the package.
import type * as errors from './errors.ts'

/** A function that tells whether something is an error of one class. */
export type ErrorGuard<E> = (error: unknown) => error is E

const BRAND = Symbol.for('holdfast.error')

/** Whether something is an error of this library, of this copy or another. */
export function isHoldfastError(error: unknown): error is errors.HoldfastError {
  return typeof error === 'object' && error !== null && BRAND in error
}

function guard<E extends errors.HoldfastError>(code: E['code']): ErrorGuard<E> {
  return (error): error is E => isHoldfastError(error) && error.code === code
}

/** Whether something is an {@link errors.InvalidArgumentError}. */
export const isInvalidArgumentError: ErrorGuard<errors.InvalidArgumentError> = guard(
  'ERR_HOLDFAST_INVALID_ARGUMENT',
)
/** Whether something is an {@link errors.AcquireTimeoutError}. */
export const isAcquireTimeoutError: ErrorGuard<errors.AcquireTimeoutError> = guard(
  'ERR_HOLDFAST_ACQUIRE_TIMEOUT',
)
/** Whether something is a {@link errors.TimeoutError}. */
export const isTimeoutError: ErrorGuard<errors.TimeoutError> = guard('ERR_HOLDFAST_TIMEOUT')
/** Whether something is an {@link errors.AbortedError}. */
export const isAbortedError: ErrorGuard<errors.AbortedError> = guard('ERR_HOLDFAST_ABORTED')
/** Whether something is a {@link errors.ClientDisconnectedError}. */
export const isClientDisconnectedError: ErrorGuard<errors.ClientDisconnectedError> = guard(
  'ERR_HOLDFAST_CLIENT_DISCONNECTED',
)
/** Whether something is a {@link errors.LeaseLostError}. */
export const isLeaseLostError: ErrorGuard<errors.LeaseLostError> = guard('ERR_HOLDFAST_LEASE_LOST')
/** Whether something is a {@link errors.StoreUnavailableError}. */
export const isStoreUnavailableError: ErrorGuard<errors.StoreUnavailableError> = guard(
  'ERR_HOLDFAST_STORE_UNAVAILABLE',
)
/** Whether something is a {@link errors.StoreCorruptError}. */
export const isStoreCorruptError: ErrorGuard<errors.StoreCorruptError> = guard(
  'ERR_HOLDFAST_STORE_CORRUPT',
)
/** Whether something is a {@link errors.QueueFullError}. */
export const isQueueFullError: ErrorGuard<errors.QueueFullError> = guard('ERR_HOLDFAST_QUEUE_FULL')
/** Whether something is a {@link errors.CircuitOpenError}. */
export const isCircuitOpenError: ErrorGuard<errors.CircuitOpenError> = guard(
  'ERR_HOLDFAST_CIRCUIT_OPEN',
)
/** Whether something is a {@link errors.RateLimitedError}. */
export const isRateLimitedError: ErrorGuard<errors.RateLimitedError> = guard(
  'ERR_HOLDFAST_RATE_LIMITED',
)
/** Whether something is an {@link errors.InProgressError}. */
export const isInProgressError: ErrorGuard<errors.InProgressError> = guard(
  'ERR_HOLDFAST_IN_PROGRESS',
)
/** Whether something is a {@link errors.FingerprintMismatchError}. */
export const isFingerprintMismatchError: ErrorGuard<errors.FingerprintMismatchError> = guard(
  'ERR_HOLDFAST_FINGERPRINT_MISMATCH',
)
/** Whether something is an {@link errors.OutcomeUnknownError}. */
export const isOutcomeUnknownError: ErrorGuard<errors.OutcomeUnknownError> = guard(
  'ERR_HOLDFAST_OUTCOME_UNKNOWN',
)
/** Whether something is a {@link errors.NotReplayableError}. */
export const isNotReplayableError: ErrorGuard<errors.NotReplayableError> = guard(
  'ERR_HOLDFAST_NOT_REPLAYABLE',
)
/** Whether something is a {@link errors.StaleCheckpointError}. */
export const isStaleCheckpointError: ErrorGuard<errors.StaleCheckpointError> = guard(
  'ERR_HOLDFAST_STALE_CHECKPOINT',
)
/** Whether something is a {@link errors.SchemaMismatchError}. */
export const isSchemaMismatchError: ErrorGuard<errors.SchemaMismatchError> = guard(
  'ERR_HOLDFAST_SCHEMA_MISMATCH',
)
/** Whether something is a {@link errors.ClosedError}. */
export const isClosedError: ErrorGuard<errors.ClosedError> = guard('ERR_HOLDFAST_CLOSED')
