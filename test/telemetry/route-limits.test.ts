// What telemetry says of a route that is limited and whose backend fails: who was refused, and by which policy.

import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MemoryAdapter } from '../../src/index.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { json } from '../middleware/conformance/reply.ts'
import type { SimpleMetric } from '../support/simple-metric.ts'
import { register, type TestTelemetry } from '../support/telemetry.ts'

describe.each([expressFramework(express), honoFramework])('in $name', (framework) => {
  let telemetry: TestTelemetry
  let metrics: Map<string, SimpleMetric>

  beforeAll(async () => {
    telemetry = register()
    const rules = [
      { name: 'minute', limit: 2, window: 60_000 },
      { name: 'hour', limit: 3, window: 3_600_000 },
    ]
    await using service = await framework.serve({
      use: [
        ['requestScope', { provider: new MemoryAdapter() }],
        ['rateLimit', { name: 'tried', limit: 1, window: 60_000, mode: 'shadow' }],
      ],
      routes: {
        'POST /limited': {
          guards: [['rateLimit', { rules, key: () => 'secret-key' }]],
          handler: () => json('done'),
        },
        'POST /failing': {
          guards: [['circuitBreaker', { failureThreshold: 2 }]],
          handler: () => json('broken', 502),
        },
      },
    })
    for (let at = 0; at < 3; at++) {
      await service.client.post('/limited')
      await service.client.post('/failing')
    }
    metrics = await telemetry.metrics()
  })
  afterAll(() => telemetry.unregister())

  /** The values of a metric by some of its attributes, summed up over the others. */
  const points = (name: string, ...attributes: string[]) => {
    const sums = new Map<string, number>()
    for (const point of metrics.get(`holdfast.${name}`)?.points ?? []) {
      const key = attributes.map((each) => point.attributes[each] ?? '-').join(' | ')
      sums.set(key, (sums.get(key) ?? 0) + Number(point.value))
    }
    return Object.fromEntries(sums)
  }

  test('each guard says how it judged, and a shadow whom it would have refused', () => {
    const judged = points(
      'http.guard.requests',
      'holdfast.guard.type',
      'holdfast.guard.outcome',
      'http.response.status_code',
    )
    expect(judged).toEqual({
      'scope | passed | -': 6,
      'circuit_breaker | passed | -': 2,
      'circuit_breaker | rejected | 503': 1,
      'rate_limiter | passed | -': 3,
      'rate_limiter | rejected | 429': 1,
      'rate_limiter | shadow | -': 5,
    })
  })

  test('a limit counts by the policy that decided', () => {
    expect(
      points(
        'rate_limiter.requests',
        'holdfast.rate_limiter.name',
        'holdfast.rate_limiter.policy',
        'holdfast.outcome',
      ),
    ).toEqual({
      'POST /limited | minute | allowed': 2,
      'POST /limited | minute | rejected': 1,
      'tried | tried | allowed': 1,
      'tried | tried | rejected': 5,
    })
  })

  test('a breaker is one for its route, and says that it is open', () => {
    const status = points(
      'circuit_breaker.status',
      'holdfast.circuit_breaker.name',
      'holdfast.circuit_breaker.state',
    )
    expect(status).toEqual({
      'POST /failing | closed': 0,
      'POST /failing | open': 1,
      'POST /failing | half_open': 0,
      'POST /failing | isolated': 0,
    })
  })

  test('what an answer failed with is said of the call to the breaker', () => {
    const calls = telemetry
      .spans()
      .filter(({ name }) => name === 'circuit_breaker.call POST /failing')
      .map(({ attributes }) => [attributes['holdfast.outcome'], attributes['error.type']])
    expect(calls).toEqual([
      ['error', '502'],
      ['error', '502'],
      ['rejected', 'circuit_open'],
    ])
  })

  test('no key of a client is told', () => {
    const told = [
      ...[...metrics.values()].flatMap(({ points }) => points.map(({ attributes }) => attributes)),
      ...telemetry.spans().map(({ attributes }) => attributes),
    ].flatMap((attributes) => Object.values(attributes))
    expect(told.length).toBeGreaterThan(50)
    expect(told.filter((value) => /secret|127\.0\.0\.1/.test(String(value)))).toEqual([])
  })
})
