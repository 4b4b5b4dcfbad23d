// Arguments of caches: whatever is not of the documented form is refused before any store call.

import { describe, expect, test } from 'vitest'
import {
  Cache,
  type CacheOptions,
  CacheWarmer,
  type CacheWarmerOptions,
  isInvalidArgumentError,
  scope,
} from '../../src/index.ts'
import { faultyAdapter } from '../support/faulty-adapter.ts'

const notDurations = [Number.NaN, -1, 0, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, '10', null, {}, 1n]
const notFractions = [Number.NaN, -0.1, 1.1, Number.POSITIVE_INFINITY, '0.2', null]
const notKeys = ['', '\ud800', 'a\udfffb', 'x'.repeat(65_537), 7, null, undefined, {}]
const notNames = ['', 'a b', 'a:b', 'é', '{a}', 'a\n', 'x'.repeat(49), 7, null, undefined]
const refused = expect.toSatisfy(isInvalidArgumentError)
const shown = (values: readonly unknown[]) =>
  values.map((value) => [typeof value === 'string' ? value.slice(0, 20) : value, value] as const)

function cacheWith(options: Record<string, unknown>): Cache {
  return new Cache({ provider: faultyAdapter(), name: 'users', ...options } as CacheOptions)
}

describe('a Cache refuses', () => {
  test.each(notDurations)('%s for a time', (value) => {
    for (const option of ['ttl', 'negativeTtl', 'loadTimeout', 'lease']) {
      expect(() => cacheWith({ [option]: value })).toThrow(refused)
    }
    if (value !== 0) expect(() => cacheWith({ staleFor: value })).toThrow(refused)
  })

  test.each(notFractions)('a refreshThreshold of %s', (refreshThreshold) => {
    expect(() => cacheWith({ refreshThreshold })).toThrow(refused)
  })

  test.each(shown(notNames))('the name %s', (_, name) => {
    expect(() => cacheWith({ name })).toThrow(refused)
  })

  test.each([true, null, 7, {}, { maxEntries: 0 }, { maxEntries: 1.5 }, { maxEntries: '10' }])(
    '%j for its memory',
    (memory) => {
      expect(() => cacheWith({ memory })).toThrow(refused)
    },
  )

  test.each([null, {}, 'redis://localhost', { records: {} }, 7])('the provider %j', (provider) => {
    expect(() => cacheWith({ provider })).toThrow(refused)
  })

  test.each([null, 'users', 7, undefined])('the options %s', (options) => {
    expect(() => new Cache(options as never)).toThrow(refused)
  })

  test('a name that cannot be part of a key, and says what may be', () => {
    expect(() => cacheWith({ name: 'all users' })).toThrow(
      'Expected `name` to be 1 to 48 letters, digits, `.`, `_` or `-`, got "all users"',
    )
  })
})

describe('a call is refused without a store call', () => {
  const provider = faultyAdapter()
  const cache = new Cache({ provider, name: 'users' })
  const load = () => 'value'

  test.each(shown(notKeys))('with the key %s', async (_, key) => {
    for (const call of [
      () => cache.get(key as string, load),
      () => cache.peek(key as string),
      () => cache.set(key as string, 'value'),
      () => cache.delete(key as string),
    ]) {
      await expect(call()).rejects.toSatisfy(isInvalidArgumentError)
    }
    expect(provider.calls).toEqual([])
  })

  test.each([
    null,
    'soon',
    7,
    ...notDurations.filter((value) => typeof value !== 'bigint').map((ttl) => ({ ttl })),
    ...notFractions.map((refreshThreshold) => ({ refreshThreshold })),
  ])('with the options %j', async (options) => {
    await expect(cache.get('a', load, options as never)).rejects.toSatisfy(isInvalidArgumentError)
    await expect(cache.set('a', 'v', options as never)).rejects.toSatisfy(isInvalidArgumentError)
    expect(provider.calls).toEqual([])
  })

  test.each([{ timeout: 0 }, { timeout: '10' }, { signal: {} }, { signal: null }])(
    'with the read options %j',
    async (options) => {
      await expect(cache.get('a', load, options as never)).rejects.toSatisfy(isInvalidArgumentError)
      expect(provider.calls).toEqual([])
    },
  )

  test.each([undefined, null, 'value', {}])('with %j for a loader', async (loader) => {
    await expect(cache.get('a', loader as never)).rejects.toSatisfy(isInvalidArgumentError)
    expect(provider.calls).toEqual([])
  })
})

describe('a CacheWarmer refuses', () => {
  const provider = faultyAdapter()
  const warmerWith = (options: Record<string, unknown>): CacheWarmer =>
    new CacheWarmer(scope(), provider, options as CacheWarmerOptions)

  test.each(notDurations)('%s for a time', (value) => {
    for (const option of ['defaultTTL', 'checkInterval', 'loadTimeout']) {
      expect(() => warmerWith({ [option]: value })).toThrow(refused)
    }
  })

  test.each(notFractions)('a threshold of %s', (threshold) => {
    expect(() => warmerWith({ defaultRefreshThreshold: threshold })).toThrow(refused)
  })

  test.each([0, -1, 1.5, Number.NaN, '4', null])('a concurrency of %s', (concurrency) => {
    expect(() => warmerWith({ concurrency })).toThrow(refused)
  })

  test.each(shown(notNames.slice(0, -1)))('the name %s', (_, name) => {
    expect(() => warmerWith({ name })).toThrow(refused)
  })

  test.each([undefined, null, {}, 'scope', { signal: 7 }])('%j for a scope', (s) => {
    expect(() => new CacheWarmer(s as never, provider)).toThrow(refused)
  })

  test.each([null, {}, 'redis://localhost', { records: {} }])('the provider %j', (given) => {
    expect(() => new CacheWarmer(scope(), given as never)).toThrow(refused)
  })

  test('what is no entry, without a store call', async () => {
    const warmer = warmerWith({})
    const fetcher = () => 'value'
    for (const key of notKeys)
      expect(() => warmer.register(key as string, { fetcher })).toThrow(refused)
    for (const options of [
      undefined,
      null,
      {},
      { fetcher: 'value' },
      { fetcher, ttl: 0 },
      { fetcher, ttl: '10' },
      { fetcher, refreshThreshold: 2 },
      { fetcher, backgroundRefresh: 'yes' },
      { fetcher, onRefresh: {} },
      { fetcher, onError: 7 },
    ]) {
      expect(() => warmer.register('a', options as never)).toThrow(refused)
    }
    for (const options of [
      null,
      { timeout: 0 },
      { minRatio: 0 },
      { minRatio: 2 },
      { signal: {} },
    ]) {
      await expect(warmer.ready(options as never)).rejects.toSatisfy(isInvalidArgumentError)
    }
    expect(provider.calls).toEqual([])
  })
})
