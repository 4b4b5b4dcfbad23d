// The serialiser of structured fields, against the vectors of the HTTP working group and an independent parser.

import fc from 'fast-check'
import { parseList } from 'structured-headers'
import { expect, test } from 'vitest'
import { limitField, policyField } from '../../src/middleware/engine/rate-limit-fields.ts'
import {
  type BareItem,
  type Item,
  serializeItem,
  serializeList,
} from '../../src/middleware/engine/structured-field.ts'
import { readingVectors, type Vector, writingVectors } from '../support/structured-field-vectors.ts'

type ItemVector = [value: unknown, parameters: [name: string, value: unknown][]]

const vectors = [readingVectors, writingVectors].flatMap((files) => [...files.values()].flat())

/** The items of a vector, where all of them are what we write: strings and numbers. */
function itemsOf({ header_type, expected }: Vector): Item[] | undefined {
  if (header_type === 'dictionary' || !Array.isArray(expected)) return undefined
  const members = (header_type === 'item' ? [expected] : expected) as ItemVector[]
  const isOurs = (value: unknown) => typeof value === 'string' || typeof value === 'number'
  const all = members.flatMap(([value, parameters]) => [
    value,
    ...parameters.map(([, each]) => each),
  ])
  if (!all.every(isOurs)) return undefined
  return members.map(([value, parameters]) => ({
    value: value as BareItem,
    parameters: parameters as [string, BareItem][],
  }))
}

const ours = vectors.flatMap((vector) => {
  const items = itemsOf(vector)
  return items && items.length > 0 ? [{ vector, items }] : []
})

test('the vectors of the working group that hold strings and integers are serialised as they say', () => {
  let written = 0
  for (const { vector, items } of ours) {
    if (vector.must_fail) continue
    const canonical = (vector.canonical ?? vector.raw ?? []).join(', ')
    // JSON does not tell the decimal 1.0 from the integer 1.
    if (/(?:^|[=\s])-?\d+\.\d/.test(canonical)) continue
    expect(serializeList(items), vector.name).toBe(canonical)
    written++
  }
  expect(written).toBeGreaterThan(150)
})

test('what cannot be serialised is refused', () => {
  let refused = 0
  for (const { vector, items } of ours) {
    if (!vector.must_fail || vector.raw || /key/.test(vector.name)) continue
    const isName = items.some(({ parameters = [] }) => parameters.length > 0)
    if (isName) continue
    expect(() => serializeItem(items[0] as Item), vector.name).toThrow(/integer|ASCII/)
    refused++
  }
  expect(refused).toBeGreaterThan(30)
})

const printable = fc.string({
  unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
})
const natural = fc.integer({ min: 0, max: 999_999_999_999_999 })

test('every policy comes back from its field as an independent parser reads it', () => {
  const policy = fc.record({
    name: printable,
    quota: natural,
    window: fc.option(natural, { nil: undefined }),
    unit: fc.option(fc.constant('concurrent-requests' as const), { nil: undefined }),
  })
  fc.assert(
    fc.property(fc.array(policy, { minLength: 1, maxLength: 4 }), (policies) => {
      const read = parseList(policyField(policies)).map(([name, parameters]) => ({
        name,
        quota: parameters.get('q'),
        window: parameters.get('w'),
        unit: parameters.get('qu'),
      }))
      expect(read).toEqual(policies)
    }),
  )
})

test('so does what is left of it', () => {
  const left = fc.record({
    name: printable,
    remaining: natural,
    reset: fc.option(natural, { nil: undefined }),
  })
  fc.assert(
    fc.property(fc.array(left, { minLength: 1, maxLength: 4 }), (all) => {
      const read = parseList(limitField(all)).map(([name, parameters]) => ({
        name,
        remaining: parameters.get('r'),
        reset: parameters.get('t'),
      }))
      expect(read).toEqual(all)
    }),
  )
})

test('the fields are those of the draft', () => {
  expect(
    policyField([
      { name: 'burst', quota: 100, window: 60 },
      { name: 'at once', quota: 2, unit: 'concurrent-requests' },
    ]),
  ).toBe('"burst";q=100;w=60, "at once";q=2;qu="concurrent-requests"')
  expect(limitField([{ name: 'a "b" \\', remaining: 50, reset: 30 }])).toBe(
    '"a \\"b\\" \\\\";r=50;t=30',
  )
})
