// How the outcome of an idempotent call is written into its record: a versioned envelope around JSON.
import { StoreCorruptError } from './errors.ts'

/** What a record says of a finished execution. */
export type StoredOutcome<T> =
  | { readonly kind: 'value'; readonly value: T }
  /** It was executed, but its value is not kept: it must not run again. */
  | { readonly kind: 'tombstone'; readonly why: string }

const VERSION = 1

/** Writes an outcome; a value that is not JSON, or larger than `limit` bytes, leaves a tombstone. */
export function encodeOutcome(outcome: StoredOutcome<unknown>, limit: number): string {
  if (outcome.kind === 'tombstone') return tombstone(outcome.why)
  let text: string
  try {
    // JSON has no undefined: a value that is absent stays absent.
    text = JSON.stringify({ v: VERSION, kind: 'value', value: outcome.value })
  } catch {
    return tombstone('its value cannot be written as JSON')
  }
  const size = new TextEncoder().encode(text).length
  return size > limit ? tombstone(`its value of ${size} bytes is larger than ${limit} bytes`) : text
}

/** Reads an outcome back. */
export function decodeOutcome<T>(text: string, key: string): StoredOutcome<T> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw corrupt(key, cause)
  }
  const { v, kind, value, why } = (parsed ?? {}) as Record<string, unknown>
  if (v !== VERSION) throw corrupt(key)
  if (kind === 'value') return { kind, value: value as T }
  if (kind === 'tombstone') return { kind, why: String(why) }
  throw corrupt(key)
}

function tombstone(why: string): string {
  return JSON.stringify({ v: VERSION, kind: 'tombstone', why })
}

function corrupt(key: string, cause?: unknown): StoreCorruptError {
  return new StoreCorruptError(
    `The record of '${key}' is not one that this version wrote; it was left as it is`,
    { key, cause },
  )
}
