// How the outcome of an idempotent call is written into its record.
import { readEnvelope, sizeOf, writeEnvelope } from './envelope.ts'

/** What a record says of a finished execution. */
export type StoredOutcome<T> =
  | { readonly kind: 'value'; readonly value: T }
  /** It was executed, but its value is not kept: it must not run again. */
  | { readonly kind: 'tombstone'; readonly why: string }

/** Writes an outcome; a value that is not JSON, or larger than `limit` bytes, leaves a tombstone. */
export function encodeOutcome(outcome: StoredOutcome<unknown>, limit: number): string {
  if (outcome.kind === 'tombstone') return tombstone(outcome.why)
  const text = writeEnvelope({ kind: 'value', value: outcome.value })
  if (text === undefined) return tombstone('its value cannot be written as JSON')
  const size = sizeOf(text)
  return size > limit ? tombstone(`its value of ${size} bytes is larger than ${limit} bytes`) : text
}

/** Reads an outcome back. */
export function decodeOutcome<T>(text: string, key: string): StoredOutcome<T> {
  const { kind, value, why } = readEnvelope(text, key, ['value', 'tombstone'])
  return kind === 'value' ? { kind, value: value as T } : { kind, why: String(why) }
}

function tombstone(why: string): string {
  return writeEnvelope({ kind: 'tombstone', why }) ?? ''
}
