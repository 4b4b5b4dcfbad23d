// What an error of Redis or ioredis means: try again, unavailable, or corrupt.
import {
  ClosedError,
  type HoldfastError,
  StoreCorruptError,
  StoreUnavailableError,
} from '../../core/errors.ts'

/** Refusals that pass by themselves: a restart, a failover, a resharding. */
const PASSING = /^(READONLY|LOADING|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|MOVED|ASK|NOREPLICAS|BUSY)\b/

/** What Redis before 7 puts in front of an error that a command of a script has met. */
const IN_SCRIPT = /^ERR Error running script \(call to \w+\): (?:@user_script: ?\d+: )+-?/

/** What a script raises by itself: it has met what no script has written, and could not go on. */
const RAISED = /^(ERR )?user_script:\d+: /

/** Whether the server refused for now, without effect. */
export function isPassing(error: unknown): boolean {
  return PASSING.test(replyOf(error) ?? '')
}

/** Whether this connection's server is not the one that writes any more. */
export function isDemoted(error: unknown): boolean {
  return replyOf(error)?.startsWith('READONLY') === true
}

/** Whether the connection broke while a command was on its way. */
export function isBroken(error: unknown): boolean {
  return !isTyped(error) && replyOf(error) === undefined
}

/** Whether the server does not have the script that was called by its hash. */
export function isUnknownScript(error: unknown): boolean {
  return replyOf(error)?.startsWith('NOSCRIPT') === true
}

/** Whether the server is too old to read a script's flags. */
export function isUnknownFlags(error: unknown): boolean {
  return replyOf(error)?.includes('Error compiling script') === true
}

/** The typed error of a failed call. */
export function typed(error: unknown, key: string): HoldfastError {
  if (isTyped(error)) return error
  const reply = replyOf(error)
  if (reply === undefined) {
    return new StoreUnavailableError(`The connection to Redis broke about '${key}'`, {
      key,
      outcome: 'unknown',
      cause: error,
    })
  }
  if (reply.startsWith('WRONGTYPE') || RAISED.test(reply)) {
    return new StoreCorruptError(
      `Redis holds something at '${key}' that this library did not write; it was left as it is`,
      { key, cause: error },
    )
  }
  return new StoreUnavailableError(`Redis refused about '${key}': ${reply}`, {
    key,
    outcome: 'none',
    cause: error,
  })
}

/** The same failure of a call of which an attempt may have taken effect. */
export function withUnknownOutcome(failure: HoldfastError): HoldfastError {
  if (!(failure instanceof StoreUnavailableError) || failure.outcome === 'unknown') return failure
  const { message, key, cause } = failure
  return new StoreUnavailableError(message, { key, cause, outcome: 'unknown' })
}

function isTyped(error: unknown): error is StoreUnavailableError | ClosedError {
  return error instanceof StoreUnavailableError || error instanceof ClosedError
}

/** What the server has said, by itself or to a script, also when a Cluster client gave up doing as it says. */
function replyOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  if (error.name === 'ReplyError') return error.message.replace(IN_SCRIPT, '')
  return /^Too many Cluster redirections\. Last error: ReplyError: (.*)/.exec(error.message)?.[1]
}
