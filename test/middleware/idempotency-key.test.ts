// The parser of the Idempotency-Key header, against everything that can be written into one.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseIdempotencyKey } from '../../src/middleware/engine/idempotency-key.ts'

const LONGEST = 255
const parse = (header: string) => parseIdempotencyKey(header, { longest: LONGEST })

const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code))
const key = fc.string({ unit: visible, minLength: 1, maxLength: LONGEST })
const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

const name = fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,8}$/)
const parameter = fc
  .tuple(name, fc.option(fc.oneof(fc.constantFrom('1', '-2.5', '?1', 'token'), key.map(quoted))))
  .map(([each, value]) => `;${each}${value === null ? '' : `=${value}`}`)

test('every key comes back from its quoted form, with any parameters', () => {
  fc.assert(
    fc.property(key, fc.array(parameter, { maxLength: 4 }), (each, parameters) => {
      expect(parse(quoted(each) + parameters.join(''))).toBe(each)
    }),
  )
})

test('every key without quotes, backslashes and commas comes back from its bare form', () => {
  fc.assert(
    fc.property(key, (each) => {
      // What begins with a quote is the quoted form.
      fc.pre(!each.startsWith('"'))
      expect(parse(each)).toBe(/[",\\]/.test(each) ? undefined : each)
    }),
  )
})

test('nothing throws, and what comes out is a key', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (header) => {
      expect(parse(header) ?? 'none').toMatch(/^[\x21-\x7e]{1,255}$/)
    }),
    { numRuns: 1_000 },
  )
})

test('two keys in one header are none, however they are written', () => {
  fc.assert(
    fc.property(key, key, fc.constantFrom(',', ', ', ' ,\t'), (one, two, comma) => {
      expect(parse(quoted(one) + comma + quoted(two))).toBeUndefined()
    }),
  )
})

test.each([
  ['an endless quote', `"${'\\'.repeat(50_000)}`],
  ['many parameters', `"a"${';a="\\"'.repeat(20_000)}`],
  ['many blanks', `"a"${' '.repeat(100_000)}x`],
  ['many semicolons', `"a"${';'.repeat(100_000)}`],
  ['a long name', `"a";${'a'.repeat(100_000)}=`],
])('%s takes no time to refuse', (_what, header) => {
  const began = performance.now()
  expect(parse(header)).toBeUndefined()
  expect(performance.now() - began).toBeLessThan(100)
})
