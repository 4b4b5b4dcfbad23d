// What a circuit breaker tells: its calls, its trips with the calls that caused them, and how it stands.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { CircuitBreaker, MemoryAdapter } from '../../src/index.ts'
import { register, type TestTelemetry } from '../support/telemetry.ts'

const NAME = 'holdfast.circuit_breaker.name'
const STATE = 'holdfast.circuit_breaker.state'

let telemetry: TestTelemetry
beforeEach(() => {
  telemetry = register()
})
afterEach(() => telemetry.unregister())

function breakerNamed(name: string, options: object = {}): CircuitBreaker {
  return new CircuitBreaker({
    stateProvider: new MemoryAdapter(),
    key: name,
    name,
    failureThreshold: 3,
    ...options,
  })
}

const works = async (): Promise<string> => 'well'
const fails = async (): Promise<never> => {
  throw new RangeError('down')
}

test('each call is a span with the state that it met and the outcome that it had', async () => {
  const breaker = breakerNamed('calls', { failureThreshold: 1 })
  await breaker.execute(works)
  await breaker.execute(fails).catch(() => {})
  await breaker.execute(works).catch(() => {})
  const calls = telemetry.spans().filter(({ name }) => name === 'circuit_breaker.call calls')
  expect(
    calls.map(({ attributes }) => [
      attributes[STATE],
      attributes['holdfast.outcome'],
      attributes['error.type'],
    ]),
  ).toEqual([
    ['closed', 'success', undefined],
    ['closed', 'error', 'RangeError'],
    ['open', 'rejected', 'circuit_open'],
  ])
})

test('a trip is a span that is linked to the calls that caused it', async () => {
  const breaker = breakerNamed('trips')
  await breaker.execute(works)
  for (let failed = 0; failed < 3; failed++) await breaker.execute(fails).catch(() => {})
  const spans = telemetry.spans()
  const [trip, ...others] = spans.filter(({ name }) => name === 'circuit_breaker.trip trips')
  expect(others).toEqual([])
  expect(trip?.attributes).toMatchObject({
    'holdfast.circuit_breaker.previous_state': 'closed',
    'holdfast.circuit_breaker.failures': 3,
    'holdfast.reason': 'threshold',
  })
  const failed = spans
    .filter(({ attributes }) => attributes['error.type'] === 'RangeError')
    .map((span) => span.spanContext().spanId)
  expect(failed).toHaveLength(3)
  expect(trip?.links.map(({ context }) => context.spanId)).toEqual(failed)
})

test('a breaker is in one state, and what moved it there is counted once', async () => {
  const breaker = breakerNamed('states')
  const stands = async (): Promise<unknown[]> => {
    const status = (await telemetry.metrics()).get('holdfast.circuit_breaker.status')
    return (status?.points ?? [])
      .filter(({ attributes, value }) => attributes[NAME] === 'states' && value === 1)
      .map(({ attributes }) => attributes[STATE])
  }
  await breaker.execute(works)
  expect(await stands()).toEqual(['closed'])
  for (let failed = 0; failed < 3; failed++) await breaker.execute(fails).catch(() => {})
  expect(await stands()).toEqual(['open'])
  await breaker.reset()
  expect(await stands()).toEqual(['closed'])
  await breaker.isolate()
  expect(await stands()).toEqual(['isolated'])
  const transitions = (await telemetry.metrics()).get('holdfast.circuit_breaker.transitions')
  for (const [previous, state] of [
    ['closed', 'open'],
    ['open', 'closed'],
    ['closed', 'isolated'],
  ] as const) {
    const one = {
      [NAME]: 'states',
      'holdfast.circuit_breaker.previous_state': previous,
      [STATE]: state,
    }
    expect(transitions?.value(one), `${previous} to ${state}`).toBe(1)
  }
})

test('the share of failures is told once the window holds enough calls', async () => {
  const breaker = breakerNamed('ratio', { failureRate: 0.9, minimumCalls: 4 })
  const told = async () =>
    (await telemetry.metrics())
      .get('holdfast.circuit_breaker.failure.ratio')
      ?.points.find(({ attributes }) => attributes[NAME] === 'ratio')?.value
  await breaker.execute(works)
  await breaker.execute(works)
  expect(await told()).toBeUndefined()
  await breaker.execute(works)
  await breaker.execute(fails).catch(() => {})
  await expect.poll(told).toBe(0.25)
})
