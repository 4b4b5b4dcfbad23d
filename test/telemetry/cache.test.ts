// What a cache tells: how reads were answered, every load, and which load a reader waited for.

import { context, type Link, trace } from '@opentelemetry/api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Cache, type CacheOptions, CacheWarmer, MemoryAdapter, scope } from '../../src/index.ts'
import { source } from '../support/cached.ts'
import { eventually } from '../support/eventually.ts'
import { register, type TestTelemetry } from '../support/telemetry.ts'

let telemetry: TestTelemetry
beforeEach(() => {
  telemetry = register()
})
afterEach(() => telemetry.unregister())

function caches(options: Partial<CacheOptions> = {}) {
  const provider = new MemoryAdapter()
  const make = () => new Cache({ provider, name: 'users', ...options })
  return { first: make(), second: make(), ...source() }
}

/** Runs `work` in a span of its own, as that of a request. */
async function request<T>(name: string, work: () => Promise<T>): Promise<T> {
  const span = trace.getTracer('test').startSpan(name)
  try {
    return await context.with(trace.setSpan(context.active(), span), work)
  } finally {
    span.end()
  }
}

async function span(name: string) {
  const found = () => telemetry.spans().find((each) => each.name === name)
  return await eventually(found, { what: `the span '${name}'` })
}

function linked(links: readonly Link[]): readonly string[] {
  return links.map(({ context }) => context.spanId)
}

describe('spans', () => {
  test('a load is part of the request that needs it, and tells how it ended', async () => {
    const { first, load } = caches()
    await request('GET /users', () => first.get('a', load))
    const [asked, loaded] = [await span('GET /users'), await span('cache.refresh users')]
    expect(loaded.parentSpanContext?.spanId).toBe(asked.spanContext().spanId)
    expect(loaded.attributes).toEqual({
      'holdfast.cache.name': 'users',
      'holdfast.cache.refresh.trigger': 'miss',
      'holdfast.outcome': 'kept',
    })
  })

  test('a read that was answered at once makes none', async () => {
    const { first, second, load } = caches()
    await first.get('a', load)
    telemetry.reset()
    await request('GET /users', async () => {
      await first.get('a', load)
      await second.get('a', load)
      await second.get('a', load)
    })
    expect(telemetry.spans().map(({ name }) => name)).toEqual(['GET /users'])
  })

  test('a reader that waited is linked to the load, of its own process or another', async () => {
    const { first, second, slow, pending } = caches()
    const loading = request('loads', () => first.get('a', slow))
    const beside = request('beside', () => first.get('a', slow))
    const elsewhere = request('elsewhere', () => second.get('a', slow))
    await eventually(() => pending.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 5))
    pending[0]?.resolve('value')
    await Promise.all([loading, beside, elsewhere])
    const loaded = (await span('cache.refresh users')).spanContext().spanId
    const waits = telemetry.spans().filter(({ name }) => name === 'cache.wait users')
    expect(waits.map(({ links }) => linked(links))).toEqual([[loaded], [loaded]])
    const parents = waits.map(({ parentSpanContext }) => parentSpanContext?.spanId)
    const requests = [await span('beside'), await span('elsewhere')]
    expect(parents.toSorted()).toEqual(requests.map((each) => each.spanContext().spanId).toSorted())
  })

  test('a refresh is a trace of its own, linked to the request that set it off', async () => {
    const { first, load } = caches({ ttl: 60_000, refreshThreshold: 0.999 })
    await first.get('a', load)
    await new Promise((resolve) => setTimeout(resolve, 80))
    telemetry.reset()
    await request('GET /users', () => first.get('a', load))
    const [asked, loaded] = [await span('GET /users'), await span('cache.refresh users')]
    expect(loaded.parentSpanContext).toBeUndefined()
    expect(loaded.spanContext().traceId).not.toBe(asked.spanContext().traceId)
    expect(linked(loaded.links)).toEqual([asked.spanContext().spanId])
    expect(loaded.attributes['holdfast.cache.refresh.trigger']).toBe('stale')
  })

  test('a loader that fails is an error; a value that changed meanwhile is overtaken', async () => {
    const { first, slow, pending } = caches()
    await first.get('a', () => Promise.reject(new TypeError('down'))).catch(() => {})
    const failed = await span('cache.refresh users')
    expect(failed.attributes).toMatchObject({
      'holdfast.outcome': 'error',
      'error.type': 'TypeError',
    })
    telemetry.reset()
    const read = first.get('a', slow)
    await eventually(() => pending.length === 1)
    await first.delete('a')
    pending[0]?.resolve('old')
    await read
    const { attributes } = await span('cache.refresh users')
    expect(attributes['holdfast.outcome']).toBe('overtaken')
  })

  test('a warmer tells of a batch, with its loads in it', async () => {
    const s = scope()
    const warmer = new CacheWarmer(s, new MemoryAdapter(), { name: 'warm' })
    warmer.register('a', { fetcher: () => 'value' })
    warmer.register('b', { fetcher: () => Promise.reject(new Error('down')) })
    await warmer.ready({ minRatio: 0.5 })
    const batch = await span('cache.warm warm')
    expect(batch.attributes).toEqual({
      'holdfast.cache.name': 'warm',
      'holdfast.cache.warm.items': 2,
      'holdfast.cache.warm.failed': 1,
      'holdfast.outcome': 'error',
    })
    const loads = telemetry.spans().filter(({ name }) => name === 'cache.refresh warm')
    expect(loads.map((each) => each.parentSpanContext?.spanId)).toEqual(
      loads.map(() => batch.spanContext().spanId),
    )
    expect(loads.map(({ attributes }) => attributes['holdfast.cache.refresh.trigger'])).toEqual([
      'startup',
      'startup',
    ])
    await s[Symbol.asyncDispose]()
  })
})

describe('metrics', () => {
  test('count hits, stale answers and misses, with their age, and what is held and given up', async () => {
    const { first, second, load } = caches({
      name: 'metered',
      staleFor: 60_000,
      memory: { maxEntries: 2 },
    })
    // What was read before a cache hears of changes is not remembered.
    for (const cache of [first, second]) await cache.peek('none')
    await new Promise((resolve) => setTimeout(resolve, 5))
    await first.get('a', load)
    await first.get('a', load)
    await second.get('a', load)
    await first.set('s', 'short-lived', { ttl: 1 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    await second.get('s', load)
    for (const key of ['b', 'c', 'd']) await first.get(key, load)
    await first.delete('d')
    const metrics = await telemetry.metrics()
    const value = (name: string, attributes: Record<string, string> = {}) =>
      metrics.get(`holdfast.${name}`)?.value({ 'holdfast.cache.name': 'metered', ...attributes })
    const result = (value: string) => ({ 'holdfast.cache.result': value })
    expect(value('cache.requests', result('miss'))).toBe(4)
    expect(value('cache.requests', result('hit'))).toBe(2)
    expect(value('cache.requests', result('stale'))).toBe(1)
    expect(value('cache.entry.age', result('hit'))).toBe(2)
    expect(value('cache.entry.age', result('stale'))).toBe(1)
    expect(value('cache.entry.age', result('miss'))).toBe(0)
    expect(value('cache.evictions', { 'holdfast.reason': 'capacity' })).toBe(2)
    expect(value('cache.evictions', { 'holdfast.reason': 'invalidated' })).toBe(1)
    expect(value('cache.refresh.duration', { 'holdfast.cache.refresh.trigger': 'miss' })).toBe(4)
    expect(value('cache.refresh.active')).toBe(0)
    // One and two: the others were given up or deleted.
    expect(value('cache.entry.usage')).toBe(3)
    for (const { points } of metrics.values()) {
      for (const { attributes } of points) expect(Object.values(attributes)).not.toContain('a')
    }
  })
})
