// What a replay looks like: the first answer again, byte for byte, and marked.

import { expect } from 'vitest'
import type { Answered } from './client.ts'

/** Headers that belong to the exchange and are made anew. */
const OF_THE_EXCHANGE = [
  'date',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'idempotent-replayed',
  // A replay has no ranges to offer.
  'accept-ranges',
]

/** Throws unless `again` is the replay of `first`. */
export function expectReplay(again: Answered, first: Answered): void {
  expect(again.headers['idempotent-replayed']).toBe('true')
  expect(first.headers['idempotent-replayed']).toBeUndefined()
  expect({ status: again.status, headers: ofTheAnswer(again), body: again.bytes }).toEqual({
    status: first.status,
    headers: ofTheAnswer(first),
    body: first.bytes,
  })
  expect(again.complete).toBe(true)
}

function ofTheAnswer({ headers }: Answered): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !OF_THE_EXCHANGE.includes(name)),
  )
}
