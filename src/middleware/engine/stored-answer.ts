// An answer as it is kept for replays: what of it is stored, and how it comes back.

import { StoreCorruptError } from '../../core/errors.ts'
import type { Answer, End } from './answer.ts'
import { asUtf8, base64, fromBase64 } from './bytes.ts'

/** A stored answer, and what `recover` and `resolve` give for one. */
export interface StoredAnswer {
  readonly status: number
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: string
  /** How `body` is written when it is not text. */
  readonly encoding?: 'base64' | undefined
}

/** Headers that belong to the answer; all others belong to the exchange and are made anew. */
const KEPT = new Set([
  'cache-control',
  'content-disposition',
  'content-language',
  'content-location',
  'content-security-policy',
  'content-type',
  'etag',
  'last-modified',
  'link',
  'location',
  'vary',
  'x-content-type-options',
])

/** Headers that are never stored, even when an application asks for it: they are somebody's, or of one connection. */
const NEVER =
  /^(?:set-cookie2?|authorization|www-authenticate|proxy-.*|connection|keep-alive|transfer-encoding|te|trailer|upgrade|date|content-length|content-encoding|x-request-id|ratelimit.*|retry-after|traceparent|tracestate|access-control-.*)$/

/** Whether the status says that the request was dealt with for good (and not: come again). */
export function isFinal(status: number): boolean {
  if (status >= 500 || status < 200) return false
  return ![401, 403, 408, 409, 425, 429].includes(status)
}

/** The part of an answer that is stored. */
export function storeAnswer(
  { status, headers }: End,
  body: Uint8Array,
  more: readonly string[],
): StoredAnswer {
  const kept = headers.filter(
    ([name]) => !NEVER.test(name) && (KEPT.has(name) || more.includes(name)),
  )
  const text = asUtf8(body)
  return text === undefined
    ? { status, headers: kept, body: base64(body), encoding: 'base64' }
    : { status, headers: kept, body: text }
}

/** Whether something has the form of a stored answer, in every part that a replay relies on. */
export function isStoredAnswer(value: unknown): value is StoredAnswer {
  if (typeof value !== 'object' || value === null) return false
  const { status, headers, body, encoding } = value as Partial<Record<keyof StoredAnswer, unknown>>
  return (
    Number.isInteger(status) &&
    (status as number) >= 200 &&
    (status as number) <= 599 &&
    typeof body === 'string' &&
    (encoding === undefined || encoding === 'base64') &&
    Array.isArray(headers) &&
    headers.every(isHeader)
  )
}

function isHeader(pair: unknown): boolean {
  return Array.isArray(pair) && pair.length === 2 && pair.every((each) => typeof each === 'string')
}

/** What a record holds, as an answer; a later version may have written what this one cannot read. */
export function readAnswer(value: unknown, key: string): StoredAnswer {
  if (isStoredAnswer(value)) return value
  throw new StoreCorruptError(
    `The record of '${key}' holds no answer that this version can read; it was left as it is`,
    { key },
  )
}

/** The answer of a replay. */
export function replayAnswer(stored: StoredAnswer, replayHeader: string): Answer {
  const { status, headers, body, encoding } = stored
  return {
    status,
    // What an application has recovered is held to the same rule as what was stored.
    headers: [
      ...headers.filter(([name]) => !NEVER.test(name.toLowerCase())),
      [replayHeader, 'true'],
    ],
    body: encoding === 'base64' ? fromBase64(body) : new TextEncoder().encode(body),
  }
}
