// The envelope of stored outcomes: what was not written by this version is corrupt, and never taken for a value.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeOutcome, encodeOutcome } from '../../src/core/outcome-codec.ts'
import { isStoreCorruptError } from '../../src/index.ts'

const LIMIT = 262_144

describe('an outcome', () => {
  test('that is any JSON value comes back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = encodeOutcome({ kind: 'value', value }, LIMIT)
        expect(decodeOutcome(text, 'k')).toEqual({
          kind: 'value',
          value: JSON.parse(JSON.stringify(value)),
        })
      }),
    )
  })

  test('carries a version', () => {
    expect(JSON.parse(encodeOutcome({ kind: 'value', value: 1 }, LIMIT))).toEqual({
      v: 1,
      kind: 'value',
      value: 1,
    })
  })

  test('that is undefined is not null', () => {
    const text = encodeOutcome({ kind: 'value', value: undefined }, LIMIT)
    expect(decodeOutcome(text, 'k')).toEqual({ kind: 'value', value: undefined })
    expect(decodeOutcome<unknown>(text, 'k')).not.toEqual({ kind: 'value', value: null })
  })

  test('that is a tombstone says why', () => {
    const text = encodeOutcome({ kind: 'tombstone', why: 'its value was not kept' }, LIMIT)
    expect(decodeOutcome(text, 'k')).toEqual({ kind: 'tombstone', why: 'its value was not kept' })
  })

  test('as large as the limit is kept, and one byte larger is a tombstone', () => {
    const text = encodeOutcome({ kind: 'value', value: 'é' }, LIMIT)
    const size = Buffer.byteLength(text)
    expect(encodeOutcome({ kind: 'value', value: 'é' }, size)).toBe(text)
    expect(decodeOutcome(encodeOutcome({ kind: 'value', value: 'é' }, size - 1), 'k')).toEqual({
      kind: 'tombstone',
      why: `its value of ${size} bytes is larger than ${size - 1} bytes`,
    })
  })

  test.each([
    ['a bigint', 1n],
    ['a function that throws when written', { toJSON: () => fc.pre(false) }],
  ])('that holds %s is a tombstone', (_name, value) => {
    expect(decodeOutcome(encodeOutcome({ kind: 'value', value }, LIMIT), 'k')).toEqual({
      kind: 'tombstone',
      why: 'its value cannot be written as JSON',
    })
  })
})

describe('a record of somebody else', () => {
  test.each([
    '',
    'null',
    'true',
    '7',
    '"value"',
    '[]',
    '{}',
    'not json',
    '{"v":1}',
    '{"v":2,"kind":"value","value":1}',
    '{"v":"1","kind":"value","value":1}',
    '{"kind":"value","value":1}',
    '{"v":1,"kind":"error"}',
    '{"v":1,"kind":["value"],"value":1}',
    '{"__proto__":{"v":1,"kind":"value","value":"hostile"}}',
    '{"v":1,"__proto__":{"kind":"value","value":"hostile"}}',
    '{"v":1,"kind":"value","value":1',
  ])('such as %s is corrupt, and is named', (text) => {
    let thrown: unknown
    try {
      decodeOutcome(text, 'orders:42')
    } catch (error) {
      thrown = error
    }
    expect(thrown).toSatisfy(isStoreCorruptError)
    expect(thrown).toMatchObject({ key: 'orders:42' })
  })

  test('does not put its content into the message', () => {
    expect(() => decodeOutcome('{"secret":"hunter2"}', 'k')).toThrow(
      "The record of 'k' is not one that this version wrote; it was left as it is",
    )
  })

  test('may have more fields than we know', () => {
    const text = '{"v":1,"kind":"value","value":1,"later":true}'
    expect(decodeOutcome(text, 'k')).toEqual({ kind: 'value', value: 1 })
  })

  test('with a hostile value changes no prototype', () => {
    const text = '{"v":1,"kind":"value","value":{"__proto__":{"admin":true}}}'
    const outcome = decodeOutcome<Record<string, unknown>>(text, 'k')
    expect(outcome.kind === 'value' && outcome.value.admin).toBeUndefined()
    expect(Object.getPrototypeOf(outcome)).toBe(Object.prototype)
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})
