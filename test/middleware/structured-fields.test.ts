// The parser of the Idempotency-Key header against the HTTP working group's own vectors for structured fields.

import { describe, expect, test } from 'vitest'
import { parseIdempotencyKey } from '../../src/middleware/engine/idempotency-key.ts'
import { readingVectors, type Vector } from '../support/structured-field-vectors.ts'

const LONGEST = 255

/** The vectors of a file whose header is one item, as Idempotency-Key is. */
function itemsOf(file: string): Vector[] {
  return (readingVectors.get(file) ?? []).filter(({ header_type }) => header_type === 'item')
}

const files = [...readingVectors.keys()]

/** Lines of one name arrive joined. */
const headerOf = ({ raw = [] }: Vector): string => raw.join(', ')

/** The key that a vector stands for: a String of 1 to 255 visible characters; undefined for everything else. */
function keyOf({ expected, must_fail }: Vector): string | undefined {
  const [item] = (expected as [item?: unknown] | undefined) ?? []
  if (must_fail || typeof item !== 'string') return undefined
  return /^[\x21-\x7e]{1,255}$/.test(item) ? item : undefined
}

const strict = (header: string) => parseIdempotencyKey(header, { longest: LONGEST, strict: true })

describe('with strict syntax a key is a String, and nothing else is one', () => {
  test.each(files)('%s', (file) => {
    for (const vector of itemsOf(file)) {
      const got = strict(headerOf(vector))
      if (vector.can_fail && got === undefined) continue
      expect([vector.name, got]).toEqual([vector.name, keyOf(vector)])
    }
  })

  // Most of their strings have spaces, which a key has not.
  test.each(['string.json', 'string-generated.json'])('%s, without its spaces', (file) => {
    const keys = new Set<string>()
    for (const vector of itemsOf(file)) {
      const [item] = (vector.expected ?? []) as [item?: unknown]
      const bare = { ...vector, expected: [String(item).replaceAll(' ', ''), []] as const }
      const got = strict(headerOf(vector).replaceAll(' ', ''))
      expect([vector.name, got]).toEqual([vector.name, keyOf(bare)])
      if (got !== undefined) keys.add(got)
    }
    expect(keys.size).toBeGreaterThan(0)
  })

  test('the vectors are many', () => {
    expect(files.flatMap(itemsOf).length).toBeGreaterThan(500)
  })
})

test('otherwise a quoted key is read the same, and what is not quoted is taken as it is or not at all', () => {
  for (const vector of files.flatMap(itemsOf)) {
    const header = headerOf(vector)
    const got = parseIdempotencyKey(header, { longest: LONGEST })
    if (header.trim().startsWith('"')) expect(got).toBe(strict(header))
    else if (got !== undefined) expect(got).toBe(header.trim())
  }
})
