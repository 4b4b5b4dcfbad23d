// The RateLimit and RateLimit-Policy header fields (draft-ietf-httpapi-ratelimit-headers-11), and the older ones.
import { serializeList } from './structured-field.ts'

/** What a client may spend. */
export interface QuotaPolicy {
  readonly name: string
  readonly quota: number
  /** Seconds in which it may be spent; none for a number of concurrent requests. */
  readonly window?: number | undefined
  /** What is counted. @defaultValue requests */
  readonly unit?: 'concurrent-requests' | undefined
}

/** What is left of a policy's quota. */
export interface QuotaLeft {
  readonly name: string
  readonly remaining: number
  /** Seconds until there is more; absent where that says nothing about the next request. */
  readonly reset?: number | undefined
}

/** The value of `RateLimit-Policy`. */
export function policyField(policies: readonly QuotaPolicy[]): string {
  return serializeList(
    policies.map(({ name, quota, window, unit }) => ({
      value: name,
      parameters: [['q', quota] as const, ...given('qu', unit), ...given('w', window)],
    })),
  )
}

/** The value of `RateLimit`. */
export function limitField(left: readonly QuotaLeft[]): string {
  return serializeList(
    left.map(({ name, remaining, reset }) => ({
      value: name,
      parameters: [['r', remaining] as const, ...given('t', reset)],
    })),
  )
}

function given<V extends string | number>(name: string, value: V | undefined) {
  return value === undefined ? [] : [[name, value] as const]
}

/** The three `X-RateLimit-*` headers, whose reset is a time of the wall clock in seconds. */
export function legacyFields(
  limit: number,
  remaining: number,
  resetAfter: number,
): readonly (readonly [name: string, value: string])[] {
  const reset = Math.ceil((Date.now() + resetAfter) / 1000)
  return [
    ['x-ratelimit-limit', String(limit)],
    ['x-ratelimit-remaining', String(remaining)],
    ['x-ratelimit-reset', String(reset)],
  ]
}
