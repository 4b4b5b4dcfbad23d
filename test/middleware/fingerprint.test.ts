// The fingerprint of a request: equal for the same request, and for no other.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { canonicalJson, digest } from '../../src/middleware/engine/fingerprint.ts'

/** The same JSON with the keys of every object in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, each]) => [key, reversed(each)])
      .reverse(),
  )
}

test('the order of keys is irrelevant, and everything else is not', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (one, two) => {
      expect(canonicalJson(reversed(one))).toBe(canonicalJson(one))
      const same = canonicalJson(one) === canonicalJson(two)
      expect(same).toBe(JSON.stringify(sorted(one)) === JSON.stringify(sorted(two)))
    }),
    { examples: [[{}, []]] },
  )
})

/** What the canonical form must be equal to, written another way. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, each]) => [key, sorted(each)] as const)
  return { entries: entries.toSorted(([a], [b]) => (a < b ? -1 : 1)) }
}

test('a key named __proto__ is a key', () => {
  const hostile = JSON.parse('{"b":1,"__proto__":{"admin":true}}')
  expect(canonicalJson(hostile)).toBe('{"__proto__":{"admin":true},"b":1}')
})

test('parts cannot be shifted into one another', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string()), fc.array(fc.string()), async (one, two) => {
      const same = (await digest(one)) === (await digest(two))
      expect(same).toBe(JSON.stringify(one) === JSON.stringify(two))
    }),
    {
      examples: [
        [
          ['ab', 'c'],
          ['a', 'bc'],
        ],
        [['1:a'], ['', 'a']],
        [[''], []],
      ],
    },
  )
})

test('bytes and text of the same bytes are the same part', async () => {
  const text = 'ü€'
  expect(await digest([new TextEncoder().encode(text)])).toBe(await digest([text]))
})
