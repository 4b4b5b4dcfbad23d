// Caches over a store that fails, hangs or holds what is not ours: readers get their values all the same.

import { describe, expect, test } from 'vitest'
import { Cache, type CacheOptions, isStoreUnavailableError } from '../../src/index.ts'
import { source } from '../support/cached.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import {
  type FaultyAdapter,
  fails,
  faultyAdapter,
  hangs,
  landsAfter,
  losesAnswer,
} from '../support/faulty-adapter.ts'

const time = fakeTime()

function caches(options: Partial<CacheOptions> = {}) {
  const provider = faultyAdapter()
  const make = () => new Cache({ provider, name: 'users', ttl: 60_000, ...options })
  return { provider, first: make(), second: make(), ...source() }
}

/** Takes the store away, or brings it back. */
function away(provider: FaultyAdapter, fault: typeof hangs | undefined): void {
  for (const call of ['begin', 'renew', 'commit', 'drop', 'put', 'remove', 'clear'] as const) {
    provider.always(`records.${call}`, fault)
  }
}

const gone = fails(new Error('ECONNREFUSED'))

describe('without the store', () => {
  test('a value is loaded by each process for itself, once, and remembered', async () => {
    const { first, second, provider, slow, pending, loads } = caches()
    away(provider, gone)
    const reads = Array.from({ length: 10 }, () => first.get('a', slow))
    await time.settle()
    expect(loads()).toBe(1)
    pending[0]?.resolve('value')
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['value']))
    expect(await first.get('a', slow)).toBe('value')
    expect(loads()).toBe(1)
    const other = second.get('a', slow)
    await time.settle()
    pending[1]?.resolve('its own')
    expect(await other).toBe('its own')
  })

  test('that hangs, a reader waits no longer than one deadline, and the next one not at all', async () => {
    const { first, provider, load } = caches()
    away(provider, hangs)
    const read = first.get('a', load)
    await time.pass(500)
    expect(await read).toBe('v1')
    expect(await first.get('b', load)).toBe('v2')
    expect(await first.get('a', load)).toBe('v1')
  })

  test('what is loaded is not remembered when it is back by then: changes may have been missed', async () => {
    const { first, provider, load, slow, pending } = caches()
    await first.peek('warm')
    await time.settle()
    away(provider, gone)
    const read = first.get('a', slow)
    await time.settle()
    away(provider, undefined)
    await time.pass(1_000)
    await first.get('b', load)
    const late = first.get('a', slow)
    pending[0]?.resolve('old')
    expect(await read).toBe('old')
    await time.settle()
    pending[1]?.resolve('new')
    expect(await late).toBe('new')
    expect(await first.get('a', load)).toBe('new')
  })

  test('what is remembered goes on being answered, also when it is stale', async () => {
    const { first, provider, load } = caches({ ttl: 1_000, staleFor: 60_000 })
    await first.get('a', load)
    await time.settle()
    away(provider, gone)
    await time.pass(30_000)
    const down = () => {
      throw new Error('database down')
    }
    for (let read = 0; read < 5; read++) {
      expect(await first.get('a', down)).toBe('v1')
      await time.pass(100)
    }
  })

  test('and without messages a stale value is answered at once, while it is loaded anew', async () => {
    const { first, provider, load, slow } = caches({ ttl: 1_000, staleFor: 60_000 })
    provider.always('signals.listen', gone)
    await first.get('a', load)
    away(provider, gone)
    await first.get('b', load)
    await time.pass(1_000)
    await first.get('b', load)
    expect(await first.get('a', slow)).toBe('v1')
  })

  test("an error of the loader is the reader's error, and never the store's", async () => {
    const { first, provider } = caches()
    away(provider, gone)
    const error = new Error('database down')
    await expect(first.get('a', () => Promise.reject(error))).rejects.toBe(error)
  })

  test('an event says so, and not for every read', async () => {
    const { first, provider, load } = caches()
    away(provider, gone)
    for (let read = 0; read < 20; read++) await first.get(`${read}`, load)
    expect(provider.events).toHaveLength(1)
    expect(provider.events[0]).toMatchObject({ name: 'holdfast.cache.fail_open', key: '0' })
    expect(provider.events[0]?.error).toSatisfy(isStoreUnavailableError)
    expect(provider.count('records.begin')).toBe(1)
  })

  test('a change is refused, because others would not hear of it, and this process forgets', async () => {
    const { first, provider, load } = caches()
    await first.get('a', load)
    await time.settle()
    away(provider, gone)
    await expect(first.delete('a')).rejects.toSatisfy(isStoreUnavailableError)
    await expect(first.set('a', 'new')).rejects.toSatisfy(isStoreUnavailableError)
    await expect(first.clear()).rejects.toSatisfy(isStoreUnavailableError)
    expect(await first.get('a', load)).toBe('v2')
  })

  test('once it is back, it is used again, and what was loaded meanwhile is forgotten', async () => {
    const { first, second, provider, load } = caches()
    await second.set('a', 'shared')
    await first.peek('warm')
    await time.settle()
    away(provider, gone)
    expect(await first.get('a', load)).toBe('v1')
    expect(await first.get('b', load)).toBe('v2')
    away(provider, undefined)
    await time.pass(1_000)
    // The read after the pause finds the store, and the next one what is in it.
    expect(await first.get('a', load)).toBe('v1')
    await time.settle()
    expect(await first.get('a', load)).toBe('shared')
    expect(await second.get('b', load)).toBe('v3')
    expect(await first.get('b', load)).toBe('v3')
  })
})

describe('a call that fails in the middle', () => {
  test('a claim whose answer was lost is given back', async () => {
    const { first, second, provider, load } = caches()
    provider.once('records.begin', losesAnswer())
    expect(await first.get('a', load)).toBe('v1')
    await time.pass(2_000)
    expect(await second.get('a', load)).toBe('v2')
  })

  test('a claim that lands after it was given up is given back', async () => {
    const { first, second, provider, load } = caches()
    const gate = deferred()
    provider.once('records.begin', landsAfter(gate.promise))
    const read = first.get('a', load)
    await time.pass(500)
    expect(await read).toBe('v1')
    gate.resolve()
    await time.pass(2_000)
    expect(await second.get('a', load)).toBe('v2')
  })

  test('a value that could not be kept is answered, and its claim given back', async () => {
    const { first, second, provider, load } = caches()
    provider.once('records.commit', gone)
    expect(await first.get('a', load)).toBe('v1')
    await time.pass(2_000)
    expect(await second.get('a', load)).toBe('v2')
  })

  test('a value that was kept and whose answer was lost stays', async () => {
    const { first, second, provider, load } = caches()
    provider.once('records.commit', losesAnswer())
    expect(await first.get('a', load)).toBe('v1')
    await time.pass(2_000)
    expect(await second.get('a', load)).toBe('v1')
  })
})

describe('a record that is not ours', () => {
  const texts = [
    'not json',
    'null',
    '{}',
    '{"v":2,"kind":"cached","ttl":1000,"freshFor":1000,"value":1}',
    '{"v":1,"kind":"value","value":1}',
    '{"v":1,"kind":"cached","value":1}',
    '{"__proto__":{"v":1,"kind":"cached","ttl":1,"freshFor":1}}',
  ]

  test.each(texts)('such as %s is a miss, is told, and is left as it is', async (value) => {
    const { first, second, provider, load, loads } = caches()
    await provider.store.records.put({ record: 'cache:users:a', value, ttl: 60_000, meta: {} })
    await first.peek('warm')
    await time.settle()
    expect(await first.get('a', load)).toBe('v1')
    expect(await first.get('a', load)).toBe('v1')
    expect(loads()).toBe(1)
    expect(provider.events).toMatchObject([
      {
        name: 'holdfast.cache.fail_open',
        key: 'a',
        error: { code: 'ERR_HOLDFAST_STORE_CORRUPT', key: 'a' },
      },
    ])
    const found = await provider.store.records.begin({
      ...{ record: 'cache:users:a', id: 'somebody', lease: 1, ttl: 1 },
      ...{ takeover: 'rerun', meta: {} },
    })
    expect(found).toMatchObject({ state: 'done', value })
    // Whoever wants it gone says so.
    await second.delete('a')
    expect(await second.get('a', load)).toBe('v2')
  })

  test('with a hostile value changes no prototype', async () => {
    const { first, provider, load } = caches()
    const value =
      '{"v":1,"kind":"cached","ttl":60000,"freshFor":60000,"value":{"__proto__":{"admin":true}}}'
    await provider.store.records.put({ record: 'cache:users:a', value, ttl: 60_000, meta: {} })
    const read = await first.get<unknown>('a', load)
    expect((read as { admin?: boolean }).admin).toBeUndefined()
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })
})
