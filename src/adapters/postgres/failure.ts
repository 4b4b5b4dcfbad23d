// What an error of PostgreSQL or pg means: try again, unavailable, or corrupt.
import {
  ClosedError,
  type HoldfastError,
  StoreCorruptError,
  type StoreOutcome,
  StoreUnavailableError,
} from '../../core/errors.ts'

/** The session has ended or will end: admin shutdown, crash, idle timeout, connection exceptions. */
const ENDED = /^(08...|57P01|57P02|57P05|25P03|25P04)$/

/** Another transaction was in the way. */
const CONFLICT = /^(40001|40P01|55P03)$/

/** The server starts, has no slot free, or only reads because it is a standby. */
const BUSY = /^(57P03|53300|25006)$/

/** Tables, functions or the schema itself are not there. */
const UNMIGRATED = /^(42P01|42883|3F000)$/

/** Data that cannot be read as what it must be. */
const UNREADABLE = /^(22P02|22003|22023|22004|2201.|23502|23514|HF001)$/

/** The SQLSTATE of a server's refusal, also where it is the cause of a failed connection. */
function sqlState(error: unknown): string | undefined {
  if (isTyped(error)) return sqlState((error as Error).cause)
  const { code, severity } = (error ?? {}) as { code?: unknown; severity?: unknown }
  // Node's errors have codes too, but no severity.
  return typeof code === 'string' && typeof severity === 'string' ? code : undefined
}

/** Whether another transaction was in the way: soon it is not, and nothing was changed. */
export function isConflict(error: unknown): boolean {
  return CONFLICT.test(sqlState(error) ?? '')
}

/** Whether the server refused for now, without effect. */
export function isPassing(error: unknown): boolean {
  return isConflict(error) || BUSY.test(sqlState(error) ?? '')
}

/** Whether the schema is missing, or parts of it. */
export function isUnmigrated(error: unknown): boolean {
  return UNMIGRATED.test(sqlState(error) ?? '')
}

/** Whether the statement's name is not known on this connection, or taken: a pooler is in between. */
export function isNameless(error: unknown): boolean {
  return /^(26000|42P05)$/.test(sqlState(error) ?? '')
}

/** Whether an earlier statement of the transaction has failed, so that nothing more can be done in it. */
export function isInFailedTransaction(error: unknown): boolean {
  return sqlState(error) === '25P02'
}

/** Whether the connection broke while a statement was on its way. */
export function isBroken(error: unknown): boolean {
  if (isTyped(error)) return false
  const state = sqlState(error)
  return state === undefined || ENDED.test(state)
}

/** Whether a client that got this error can be used again. */
export function isHarmless(error: unknown): boolean {
  const state = sqlState(error)
  // A server that only reads is a former primary, or will be one that writes: connect anew.
  return state !== undefined && !ENDED.test(state) && state !== '25006'
}

/** Whether an error says by its class all that a caller must know. */
export function isTyped(error: unknown): error is HoldfastError {
  return (
    error instanceof StoreUnavailableError ||
    error instanceof StoreCorruptError ||
    error instanceof ClosedError
  )
}

/** The typed error of a failed call; `outcome` is what is known of the attempts before this one. */
export function typed(error: unknown, key: string, outcome: StoreOutcome): HoldfastError {
  if (error instanceof ClosedError || error instanceof StoreCorruptError) return error
  if (error instanceof StoreUnavailableError) {
    return outcome === 'none'
      ? error
      : new StoreUnavailableError(error.message, { key, outcome, cause: error })
  }
  const state = sqlState(error)
  if (state === undefined || ENDED.test(state)) {
    return new StoreUnavailableError(`The connection to PostgreSQL broke about '${key}'`, {
      key,
      outcome: 'unknown',
      cause: error,
    })
  }
  if (UNREADABLE.test(state)) {
    return new StoreCorruptError(
      `PostgreSQL holds something at '${key}' that this library did not write; it was left as it is`,
      { key, cause: error },
    )
  }
  return new StoreUnavailableError(
    `PostgreSQL refused about '${key}': ${(error as Error).message} (${state})`,
    { key, outcome, cause: error },
  )
}
