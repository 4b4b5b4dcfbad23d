// How a cached value is written into its record: with how long it lasts, so that every reader counts alike.
import { corrupt, readEnvelope, sizeOf, writeEnvelope } from './envelope.ts'

/** A value and its times, in milliseconds from when it was kept. */
export interface CachedValue<T> {
  readonly value: T
  /** How long it may be answered without being stale. */
  readonly ttl: number
  /** After this it is produced anew. */
  readonly freshFor: number
}

/** Writes a value; a reason instead when it cannot be kept. */
export function encodeCached(
  { value, ttl, freshFor }: CachedValue<unknown>,
  limit: number,
): { readonly text: string } | { readonly why: string } {
  const text = writeEnvelope({ kind: 'cached', ttl, freshFor, value })
  if (text === undefined) return { why: 'its value cannot be written as JSON' }
  const size = sizeOf(text)
  return size > limit
    ? { why: `its value of ${size} bytes is larger than ${limit} bytes` }
    : { text }
}

/** Says that there is no value any more. */
export function encodeGone(): string {
  return writeEnvelope({ kind: 'gone' }) ?? ''
}

/** Reads a value back, of which undefined is one; undefined instead when it is gone. */
export function decodeCached<T>(text: string, key: string): CachedValue<T> | undefined {
  const { kind, value, ttl, freshFor } = readEnvelope(text, key, ['cached', 'gone'])
  if (kind === 'gone') return undefined
  if (typeof ttl !== 'number' || typeof freshFor !== 'number') throw corrupt(key)
  return { value: value as T, ttl, freshFor }
}

/** Milliseconds after which a value is loaded anew, when a share of its ttl is left. */
export function freshFor(ttl: number, threshold: number): number {
  return Math.max(1, Math.round(ttl * (1 - threshold)))
}
