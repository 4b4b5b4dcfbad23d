// Which metrics a guarded service records: their names, units, kinds, buckets and attributes, and nothing of a request.

import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Idempotency, MemoryAdapter } from '../../src/index.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { json } from '../middleware/conformance/reply.ts'
import { deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import type { SimpleMetric } from '../support/simple-metric.ts'
import { register, type TestTelemetry } from '../support/telemetry.ts'

const DB = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]
const HTTP = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const HOLD = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
const AGE = [1, 10, 60, 300, 1800, 3600, 21_600, 43_200, 86_400]
const SIZE = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576]

type Expected = readonly [
  name: string,
  kind: SimpleMetric['kind'],
  unit: string,
  attributes: readonly string[],
  buckets?: readonly number[],
]

const GUARD = ['holdfast.guard.type', 'holdfast.guard.outcome']
const LOCK = ['holdfast.lock.name', 'holdfast.lock.mode']

const expected: readonly Expected[] = [
  ['lock.acquire.duration', 'histogram', 's', [...LOCK, 'holdfast.outcome'], DB],
  ['lock.hold.duration', 'histogram', 's', [...LOCK, 'holdfast.release.reason'], HOLD],
  ['lock.hold.active', 'up_down_counter', '{hold}', LOCK],
  ['lock.acquire.pending', 'up_down_counter', '{waiter}', LOCK],
  [
    'semaphore.acquire.duration',
    'histogram',
    's',
    ['holdfast.semaphore.name', 'holdfast.outcome'],
    DB,
  ],
  [
    'semaphore.hold.duration',
    'histogram',
    's',
    ['holdfast.semaphore.name', 'holdfast.release.reason'],
    HOLD,
  ],
  ['semaphore.permit.usage', 'up_down_counter', '{permit}', ['holdfast.semaphore.name']],
  ['semaphore.permit.limit', 'up_down_counter', '{permit}', ['holdfast.semaphore.name']],
  [
    'idempotency.execution.duration',
    'histogram',
    's',
    ['holdfast.idempotency.name', 'holdfast.outcome'],
    HTTP,
  ],
  ['idempotency.execution.active', 'up_down_counter', '{execution}', ['holdfast.idempotency.name']],
  ['idempotency.replay.age', 'histogram', 's', ['holdfast.idempotency.name'], AGE],
  ['idempotency.record.size', 'histogram', 'By', ['holdfast.idempotency.name'], SIZE],
  ['scope.duration', 'histogram', 's', ['holdfast.scope.kind', 'holdfast.outcome'], HTTP],
  ['scope.active', 'up_down_counter', '{scope}', ['holdfast.scope.kind']],
  ['http.guard.duration', 'histogram', 's', GUARD, DB],
  [
    'http.guard.requests',
    'counter',
    '{request}',
    [...GUARD, 'http.request.method', 'http.route', 'http.response.status_code'],
  ],
]

describe.each([expressFramework(express), honoFramework])('in $name', (framework) => {
  let telemetry: TestTelemetry
  let metrics: Map<string, SimpleMetric>

  beforeAll(async () => {
    telemetry = register()
    const begun = deferred()
    const gate = deferred()
    await using service = await framework.serve({
      use: [['requestScope', { provider: new MemoryAdapter() }]],
      routes: {
        'POST /orders/:id': {
          guards: [
            [
              'protect',
              {
                idempotency: { required: true },
                timeout: 5_000,
                lock: { key: ({ path }) => path, timeout: 5_000 },
                semaphore: { limit: 2 },
              },
            ],
          ],
          handler: async () => {
            begun.resolve()
            await gate.promise
            return json('done', 201)
          },
        },
      },
    })
    const send = (key: string, body: unknown = {}) =>
      service.client.send({
        path: '/orders/secret-order',
        key,
        body,
        headers: { authorization: 'Bearer secret-tenant' },
      })
    const first = send('secret-key-1')
    await begun.promise
    const second = send('secret-key-2')
    const pending = async () =>
      (await telemetry.metrics()).get('holdfast.lock.acquire.pending')?.value()
    await eventually(async () => (await pending()) === 1)
    expect((await send('secret-key-1').answer).status).toBe(409)
    gate.resolve()
    await Promise.all([first.answer, second.answer])
    await send('secret-key-1').answer
    await send('secret-key-1', { other: true }).answer
    await service.client.post('/orders/secret-order')
    metrics = await telemetry.metrics()
  })
  afterAll(() => telemetry.unregister())

  test.each(expected.map((each) => [each[0], each] as const))('%s', (_title, each) => {
    const [name, kind, unit, attributes, buckets] = each
    const metric = metrics.get(`holdfast.${name}`)
    expect([metric?.kind, metric?.unit]).toEqual([kind, unit])
    expect(metric?.boundaries).toEqual(buckets)
    const seen = new Set(metric?.points.flatMap((point) => Object.keys(point.attributes)))
    seen.delete('error.type')
    expect([...seen].toSorted()).toEqual([...attributes].toSorted())
  })

  test('nothing else is recorded', () => {
    expect([...metrics.keys()].toSorted()).toEqual(
      expected.map(([name]) => `holdfast.${name}`).toSorted(),
    )
  })

  test('no value of a request is an attribute: no key, no caller, no path', () => {
    const values = [...metrics.values()].flatMap(({ points }) =>
      points.flatMap(({ attributes }) => Object.values(attributes)),
    )
    expect(values.length).toBeGreaterThan(50)
    expect(values.filter((value) => /secret/.test(String(value)))).toEqual([])
  })

  test('requests are counted by guard and outcome, with a status where the guard answered', () => {
    const judged = metrics
      .get('holdfast.http.guard.requests')
      ?.points.filter(({ attributes }) => attributes['holdfast.guard.type'] !== 'scope')
      .map(({ attributes, value }) => [
        attributes['holdfast.guard.type'],
        attributes['holdfast.guard.outcome'],
        attributes['http.response.status_code'],
        value,
      ])
    expect(judged?.toSorted()).toEqual([
      ['idempotency', 'conflict', 409, 1],
      ['idempotency', 'executed', undefined, 2],
      ['idempotency', 'invalid', 400, 1],
      ['idempotency', 'mismatch', 422, 1],
      ['idempotency', 'replayed', 201, 1],
      ['lock', 'passed', undefined, 2],
      ['semaphore', 'passed', undefined, 2],
      ['timeout', 'passed', undefined, 2],
    ])
  })

  test('calls are counted by their outcome', () => {
    const executions = metrics.get('holdfast.idempotency.execution.duration')
    const count = (outcome: string) => executions?.value({ 'holdfast.outcome': outcome })
    expect(['executed', 'replayed', 'conflict', 'mismatch'].map(count)).toEqual([2, 1, 1, 1])
    expect(metrics.get('holdfast.idempotency.replay.age')?.value()).toBe(1)
    expect(metrics.get('holdfast.idempotency.record.size')?.value()).toBe(2)
  })

  test('what is over is no longer held, and nobody waits', () => {
    for (const name of [
      'lock.hold.active',
      'lock.acquire.pending',
      'semaphore.permit.usage',
      'idempotency.execution.active',
    ]) {
      expect([name, metrics.get(`holdfast.${name}`)?.value()]).toEqual([name, 0])
    }
  })
})

test('the size of a stored outcome is told in bytes, not in characters', async () => {
  const telemetry = register()
  const provider = new MemoryAdapter()
  await new Idempotency({ provider }).run('order-1', () => '€'.repeat(1_000))
  const metrics = await telemetry.metrics()
  const [size] = metrics.get('holdfast.idempotency.record.size')?.points ?? []
  expect(size?.sum).toBeGreaterThanOrEqual(3_000)
  await telemetry.unregister()
})
