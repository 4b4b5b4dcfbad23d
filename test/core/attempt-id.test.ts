// Attempt ids: nobody makes the same one twice, and nobody guesses one.

import { expect, test } from 'vitest'
import { attemptId } from '../../src/core/attempt-id.ts'

const ids = Array.from({ length: 20_000 }, attemptId)

test('an id is 120 random bits as 20 characters that need no escaping anywhere', () => {
  for (const id of ids) expect(id).toMatch(/^[\w-]{20}$/)
})

test('no two ids are the same', () => {
  expect(new Set(ids).size).toBe(ids.length)
})

test('every character is as likely as every other, in every place', () => {
  for (let place = 0; place < 20; place++) {
    const counts = new Map<string, number>()
    for (const id of ids) counts.set(id[place] ?? '', (counts.get(id[place] ?? '') ?? 0) + 1)
    expect(counts.size).toBe(64)
    const expected = ids.length / 64
    // Six standard deviations: a fair generator is never outside.
    const most = 6 * Math.sqrt(expected)
    for (const count of counts.values()) expect(Math.abs(count - expected)).toBeLessThan(most)
  }
})
