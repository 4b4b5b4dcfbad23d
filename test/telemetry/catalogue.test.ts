// The catalogue keeps the rules of naming (OpenTelemetry semantic conventions, general/naming and general/metrics).

import { describe, expect, test } from 'vitest'
import {
  catalogue,
  failures,
  guardAttributes,
  labelRows,
  type MetricRow,
  metricRows,
  NAMESPACE,
  type OperationRow,
} from '../../src/telemetry/index.ts'

const metrics = Object.entries<MetricRow>(metricRows)
type Facts = Record<string, string>
const operations = Object.entries(catalogue as Readonly<Record<string, OperationRow<Facts>>>)
const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*(\.[a-z][a-z0-9]*(_[a-z0-9]+)*)*$/
const SHARED = ['http.request.method', 'http.route', 'http.response.status_code']

const attributesOfMetrics = [
  ...Object.values<Readonly<Record<string, string>>>(labelRows).flatMap((labels) =>
    Object.values(labels),
  ),
  ...operations
    .filter(([, { duration }]) => duration !== undefined)
    .flatMap(([, { facts }]) => Object.values(facts))
    .filter(({ metric }) => metric)
    .map(({ attribute }) => attribute),
]
const attributesOfSpans = [
  ...operations.flatMap(([, { facts }]) => Object.values(facts).map(({ attribute }) => attribute)),
  guardAttributes.outcome('lock'),
  guardAttributes.replayed,
]

describe('metrics', () => {
  test.each(metrics)(
    '%s has a name in lower case, by components, without unit or total',
    (name) => {
      expect(name).toMatch(NAME)
      expect(`${NAMESPACE}.${name}`.length).toBeLessThan(255)
      expect(name).not.toMatch(/total|seconds|milliseconds|_ms|bytes|ratio_/)
    },
  )

  test.each(metrics)('%s has a unit of its kind', (name, { kind, unit, buckets }) => {
    if (name.endsWith('.duration') || name.endsWith('.age')) expect(unit).toBe('s')
    if (unit === 's') expect(name).toMatch(/\.(duration|age)$/)
    expect(unit).toMatch(/^(s|By|1|\{[a-z]+\})$/)
    // A thing is counted in the singular; a counter of things is named in the plural, a level is not.
    const counted = /^\{(.*)\}$/.exec(unit)?.[1]
    if (kind === 'counter') expect(name.endsWith(`${counted}s`)).toBe(true)
    if (kind === 'level') expect(name).not.toMatch(/(?<!statu)s$/)
    expect(buckets !== undefined).toBe(kind === 'histogram')
  })

  test.each(metrics.filter(([, { kind }]) => kind === 'histogram'))(
    '%s has buckets that grow',
    (_name, { buckets = [] }) => {
      expect(buckets.length).toBeGreaterThan(4)
      expect(buckets).toEqual([...new Set(buckets)].toSorted((a, b) => a - b))
      expect(buckets[0]).toBeGreaterThan(0)
    },
  )

  test.each(metrics)('%s says what it is in a few words', (_name, { brief }) => {
    expect(brief).toMatch(/^[A-Z][^.]{5,70}$/)
  })

  test('every metric is recorded: by its operation, or by itself', () => {
    const byOperation = operations.map(([, { duration }]) => duration).filter(Boolean)
    expect([...new Set(byOperation), ...Object.keys(labelRows)].toSorted()).toEqual(
      Object.keys(metricRows).toSorted(),
    )
  })
})

describe('attributes', () => {
  const all = [...new Set([...attributesOfMetrics, ...attributesOfSpans])]

  test.each(all)('%s has a name in lower case, by components', (attribute) => {
    expect(attribute).toMatch(NAME)
  })

  test.each(all)('%s is our own, or one of the conventions’ for HTTP', (attribute) => {
    if (!SHARED.includes(attribute)) expect(attribute.startsWith(`${NAMESPACE}.`)).toBe(true)
  })

  test.each([...new Set(attributesOfMetrics)])(
    '%s of a metric has few values: it is no key, token, caller or number of a request',
    (attribute) => {
      expect(attribute).not.toMatch(
        /key|token|tenant|owner|scope\.name|client|position|attempts|path$/,
      )
    },
  )
})

describe('operations', () => {
  test.each(operations)('%s has a name in lower case, by components', (name) => {
    expect(name).toMatch(NAME)
  })

  test('every failure that is told has a type in lower case, or is none', () => {
    for (const { type, outcome } of Object.values(failures)) {
      if (type !== undefined) expect(type).toMatch(/^[a-z]+(_[a-z]+)*$/)
      expect(outcome).toMatch(/^[a-z]+(_[a-z]+)*$/)
    }
  })
})
