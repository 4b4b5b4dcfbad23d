// The envelope in which values are kept in a store: versioned JSON, and never taken for a value when it is not ours.
import { StoreCorruptError } from './errors.ts'

const VERSION = 1

/** The fields of an envelope; which there are is the kind's affair. */
type Envelope<K extends string> = Readonly<Record<string, unknown>> & { readonly kind: K }

/** Writes an envelope; undefined for what cannot be written as JSON. */
export function writeEnvelope(fields: Readonly<Record<string, unknown>>): string | undefined {
  try {
    // JSON has no undefined: a value that is absent stays absent.
    return JSON.stringify({ v: VERSION, ...fields })
  } catch {
    return undefined
  }
}

/** Reads the fields of an envelope of one of these kinds. */
export function readEnvelope<K extends string>(
  text: string,
  key: string,
  kinds: readonly K[],
): Envelope<K> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw corrupt(key, cause)
  }
  const fields = (parsed ?? {}) as Envelope<K> & { readonly v?: unknown }
  if (fields.v !== VERSION || !kinds.includes(fields.kind)) throw corrupt(key)
  return fields
}

/** How many bytes a text takes in a store. */
export function sizeOf(text: string): number {
  return new TextEncoder().encode(text).length
}

/** The error of a record that is not one of ours. */
export function corrupt(key: string, cause?: unknown): StoreCorruptError {
  return new StoreCorruptError(
    `The record of '${key}' is not one that this version wrote; it was left as it is`,
    { key, cause },
  )
}
