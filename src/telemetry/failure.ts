// How an error is told in telemetry: by its code where it is ours, else by its class name.
import { type FailureRow, failures } from './catalogue.ts'

/** What telemetry says of an error. */
export interface Failure extends FailureRow {
  /** The span's status description; never a repetition of the type. */
  readonly message?: string
}

/** The telemetry of an error that ended an operation. */
export function failureOf(error: unknown): Failure {
  const { code, name, message } = (error ?? {}) as {
    code?: string
    name?: string
    message?: string
  }
  const row = typeof code === 'string' ? failures[code] : undefined
  const told = typeof message === 'string' && message !== '' ? { message } : {}
  if (row) return { ...row, ...told }
  const type = error instanceof Error && typeof name === 'string' && name !== '' ? name : '_OTHER'
  return { type, outcome: 'error', ...told }
}
