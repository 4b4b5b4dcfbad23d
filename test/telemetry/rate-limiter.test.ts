// What a rate limiter tells of those who wait: how long, and how that ended.

import { afterEach, beforeEach, expect, test } from 'vitest'
import { MemoryAdapter, RateLimiter, type RateLimitProvider } from '../../src/index.ts'
import { register, type TestTelemetry } from '../support/telemetry.ts'

let telemetry: TestTelemetry
beforeEach(() => {
  telemetry = register()
})
afterEach(() => telemetry.unregister())

function limiterOver(provider: RateLimitProvider): RateLimiter {
  return new RateLimiter({ provider, key: 'api', name: 'api', limit: 1, window: 60_000 })
}

test('a wait ends as it ended for its caller', async () => {
  const limiter = limiterOver(new MemoryAdapter())
  await limiter.wait()
  await limiter.wait({ timeout: 1_000 }).catch(() => {})
  const controller = new AbortController()
  const aborted = limiter.wait({ signal: controller.signal })
  controller.abort()
  await aborted.catch(() => {})
  const gone = (): Promise<never> => Promise.reject(new Error('gone'))
  const broken = { deadline: 1_000, onEvent: undefined, rates: { consume: gone, reset: gone } }
  await limiterOver(broken)
    .wait()
    .catch(() => {})
  const waits = (await telemetry.metrics()).get('holdfast.rate_limiter.wait.duration')
  const ended = waits?.points.map(({ attributes, value }) => [
    attributes['holdfast.outcome'],
    value,
  ])
  expect(new Map(ended as [string, number][])).toEqual(
    new Map([
      ['allowed', 1],
      ['rejected', 1],
      ['cancelled', 1],
      ['error', 1],
    ]),
  )
})
