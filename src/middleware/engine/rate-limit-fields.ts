// The RateLimit and RateLimit-Policy header fields (draft-ietf-httpapi-ratelimit-headers-11), and the older ones.
import type { Exchange } from './exchange.ts'
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

/** Says in the answer what may be spent: the value of {@link policyField}. */
export function announcePolicies(exchange: Pick<Exchange, 'announce'>, policies: string): void {
  exchange.announce('RateLimit-Policy', policies, true)
}

/** Says in the answer what is left. */
export function announceLeft(
  exchange: Pick<Exchange, 'announce'>,
  left: readonly QuotaLeft[],
): void {
  exchange.announce('RateLimit', limitField(left), true)
}

/** Says in the answer, in the three `X-RateLimit-*` headers, how the tightest limit stands. */
export function announceLegacy(
  exchange: Pick<Exchange, 'announce'>,
  limit: number,
  { remaining, resetAfter }: { readonly remaining: number; readonly resetAfter: number },
): void {
  exchange.announce('X-RateLimit-Limit', String(limit), false)
  exchange.announce('X-RateLimit-Remaining', String(remaining), false)
  // A time of the wall clock, in seconds.
  const reset = Math.ceil((Date.now() + resetAfter) / 1000)
  exchange.announce('X-RateLimit-Reset', String(reset), false)
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
