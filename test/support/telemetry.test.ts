// What the in-memory OpenTelemetry SDK of the tests shows.

import { context, metrics, SpanStatusCode, trace } from '@opentelemetry/api'
import { expect, test } from 'vitest'
import { spanTree } from './span-tree.ts'
import { register } from './telemetry.ts'

test('a trace is drawn as a tree, in the order of its starts', async () => {
  await using telemetry = register()
  const tracer = trace.getTracer('t')
  await tracer.startActiveSpan('request', async (request) => {
    await Promise.resolve()
    tracer.startActiveSpan(
      'lock.acquire orders',
      { attributes: { outcome: 'timeout' } },
      (span) => {
        tracer.startSpan('lock.wait orders').end()
        span.setStatus({ code: SpanStatusCode.ERROR, message: 'too late' }).end()
      },
    )
    const links = [{ context: request.spanContext() }]
    tracer.startSpan('lock.release orders', { links }).end()
    request.end()
  })
  expect(spanTree(telemetry.spans(), { attributes: ['outcome'], links: true })).toBe(
    [
      'request',
      '  lock.acquire orders outcome=timeout ERROR: too late',
      '    lock.wait orders',
      '  lock.release orders -> request',
    ].join('\n'),
  )
  telemetry.reset()
  expect(telemetry.spans()).toEqual([])
})

test('metrics are totals since register, with a simple shape', async () => {
  await using telemetry = register()
  const meter = metrics.getMeter('m')
  const calls = meter.createCounter('calls', { unit: '{call}' })
  calls.add(1, { outcome: 'ok' })
  calls.add(2, { outcome: 'error' })
  meter
    .createHistogram('wait', { unit: 's', advice: { explicitBucketBoundaries: [1, 2] } })
    .record(1.5)
  await telemetry.metrics()
  calls.add(3, { outcome: 'ok' })
  const collected = await telemetry.metrics()
  expect(collected.get('calls')).toMatchObject({ unit: '{call}', kind: 'counter' })
  expect(collected.get('calls')?.value()).toBe(6)
  expect(collected.get('calls')?.value({ outcome: 'ok' })).toBe(4)
  expect(collected.get('wait')).toMatchObject({
    kind: 'histogram',
    boundaries: [1, 2],
    points: [{ attributes: {}, value: 1, sum: 1.5 }],
  })
})

test('after unregister nothing is recorded, and another one can be registered', async () => {
  const first = register()
  expect(() => register()).toThrow('unregister the last one')
  await first.unregister()
  trace.getTracer('t').startSpan('unseen').end()
  await using second = register()
  trace.getTracer('t').startSpan('seen').end()
  expect(spanTree(second.spans())).toBe('seen')
  expect(context.active()).toBeDefined()
})
