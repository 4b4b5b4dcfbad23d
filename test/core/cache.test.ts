// Caches: what they answer, how long it lasts, what is remembered and what is forgotten.

import { describe, expect, test } from 'vitest'
import { Cache, type CacheOptions, MemoryAdapter } from '../../src/index.ts'
import { source } from '../support/cached.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { faultyAdapter } from '../support/faulty-adapter.ts'

const time = fakeTime()

/** Caches of two processes, as far as they share nothing but the store. */
function caches(options: Partial<CacheOptions> = {}) {
  const provider = faultyAdapter()
  const make = () => new Cache({ provider, name: 'users', ttl: 1_000, ...options })
  return { provider, first: make(), second: make(), ...source() }
}

describe('a value', () => {
  test('is loaded once and answered from then on, in every process', async () => {
    const { first, second, load, loads } = caches()
    for (const cache of [first, first, second, second]) {
      expect(await cache.get('a', load)).toBe('v1')
    }
    expect(loads()).toBe(1)
  })

  test('that this process remembers takes no store call', async () => {
    const { first, provider, load } = caches()
    await first.get('a', load)
    await time.settle()
    await first.get('a', load)
    const calls = provider.calls.length
    for (let read = 0; read < 100; read++) expect(await first.get('a', load)).toBe('v1')
    expect(provider.calls).toHaveLength(calls)
  })

  test('of another process takes one store call', async () => {
    const { first, second, provider, load } = caches()
    await first.get('a', load)
    await second.peek('b')
    await time.settle()
    const calls = provider.calls.length
    await second.get('a', load)
    expect(provider.calls.slice(calls)).toEqual(['records.begin'])
  })

  test('lasts for its ttl and not longer', async () => {
    const { first, second, load } = caches()
    await first.get('a', load)
    await time.pass(999)
    expect(await second.get('a', load)).toBe('v1')
    expect(await first.get('a', load)).toBe('v1')
    await time.pass(1)
    expect(await second.get('a', load)).toBe('v2')
    expect(await first.get('a', load)).toBe('v2')
  })

  test('may have a ttl of its own, to the millisecond', async () => {
    const { first, load } = caches()
    await first.get('a', load, { ttl: 100 })
    await time.pass(99)
    expect(await first.get('a', load)).toBe('v1')
    await time.pass(1)
    expect(await first.get('a', load)).toBe('v2')
  })

  test('is the same for whoever loaded it and for everybody else: what JSON makes of it', async () => {
    const { first, second } = caches()
    const load = () => ({ born: new Date(0), gone: undefined })
    const json = { born: '1970-01-01T00:00:00.000Z' }
    expect(await first.get('a', load)).toEqual(json)
    expect(await second.get('a', load)).toEqual(json)
    expect(await first.get('a', load)).toEqual(json)
  })

  test('of one key or cache is not taken for that of another', async () => {
    const provider = new MemoryAdapter()
    const keys = ['a', 'a:b', 'b', 'two\nlines', '{}', '\u0000', '__proto__', 'constructor', ' ']
    const long = ['x'.repeat(10_000), `${'x'.repeat(9_999)}y`]
    for (const name of ['one', 'two', 'one.two']) {
      const cache = new Cache({ provider, name })
      for (const key of [...keys, ...long]) {
        expect(await cache.get(key, () => `${name} ${key}`)).toBe(`${name} ${key}`)
      }
    }
    for (const name of ['one', 'two', 'one.two']) {
      const cache = new Cache({ provider, name })
      for (const key of [...keys, ...long]) {
        expect(await cache.peek(key)).toMatchObject({ value: `${name} ${key}` })
      }
    }
  })

  test('that is too large is answered and not kept, and an event says so', async () => {
    const { first, provider, load, loads } = caches({ maxBytes: 100 })
    const large = 'x'.repeat(200)
    expect(await first.get('a', () => large)).toBe(large)
    expect(await first.get('a', load)).toBe('v1')
    expect(loads()).toBe(1)
    expect(provider.events).toMatchObject([{ name: 'holdfast.cache.not_kept', key: 'a' }])
  })

  test('that is not JSON is answered and not kept', async () => {
    const { first, provider } = caches()
    expect(await first.get('a', () => 1n)).toBe(1n)
    expect(await first.peek('a')).toBeUndefined()
    expect(provider.events[0]?.message).toBe(
      "'a' is not cached: its value cannot be written as JSON",
    )
  })
})

describe('nothing', () => {
  test.each([null, undefined])(
    'that was loaded as %s is not kept unless asked for',
    async (nothing) => {
      const { first, second } = caches()
      let loads = 0
      const load = () => {
        loads++
        return nothing
      }
      for (const cache of [first, first, second]) expect(await cache.get('a', load)).toBe(nothing)
      expect(loads).toBe(3)
      expect(await first.peek('a')).toBeUndefined()
    },
  )

  test.each([null, undefined])(
    'that was loaded as %s stays that, for `negativeTtl`',
    async (nothing) => {
      const { first, second } = caches({ negativeTtl: 100 })
      let loads = 0
      const load = () => {
        loads++
        return nothing
      }
      for (const cache of [first, first, second]) expect(await cache.get('a', load)).toBe(nothing)
      expect(await second.peek('a')).toEqual({ value: nothing, age: 0, stale: false })
      await time.pass(99)
      expect(await first.get('a', load)).toBe(nothing)
      expect(loads).toBe(1)
      await time.pass(1)
      await first.get('a', load)
      expect(loads).toBe(2)
    },
  )

  test('in place of a value ends the value', async () => {
    const { first, second } = caches({ refreshThreshold: 0.5, staleFor: 60_000 })
    for (const cache of [first, second]) await cache.get('a', () => 'there')
    await time.pass(500)
    // Answered at once, and found behind it that there is nothing any more.
    for (const cache of [first, second]) {
      const behind = await cache.get<string | null>('a', () => null)
      // The second may have heard of it already.
      expect(cache === first ? ['there'] : ['there', null]).toContain(behind)
      await time.pass(5)
      expect(await cache.get<string | null>('a', () => null)).toBeNull()
    }
    expect(await second.peek('a')).toBeUndefined()
  })

  test.each([null, 'x'.repeat(200), 1n])(
    'that is loaded while a value is set does not end the value (%s)',
    async (unkept) => {
      const { first, second } = caches({ staleFor: 60_000, maxBytes: 100 })
      await first.get('a', () => 'old')
      await time.pass(1_000)
      const gate = deferred()
      const late = async () => {
        await gate.promise
        return unkept
      }
      expect(await first.get<unknown>('a', late)).toBe('old')
      await second.set('a', 'new')
      gate.resolve()
      await time.pass(5)
      for (const cache of [first, second]) expect(await cache.get('a', () => 'v2')).toBe('new')
    },
  )
})

describe('a look', () => {
  test('answers what there is, and loads nothing', async () => {
    const { first, second, load } = caches({ staleFor: 1_000 })
    expect(await second.peek('a')).toBeUndefined()
    await first.get('a', load)
    await time.pass(400)
    expect(await second.peek('a')).toEqual({ value: 'v1', age: 400, stale: false })
    await time.pass(700)
    expect(await second.peek('a')).toEqual({ value: 'v1', age: 1_100, stale: true })
    await time.pass(900)
    expect(await second.peek('a')).toBeUndefined()
  })

  test('at a missing value keeps nobody from loading it', async () => {
    const { first, second, load } = caches()
    const looks = [first.peek('a'), second.peek('a'), first.peek('a')]
    const read = second.get('a', load)
    await time.settle()
    expect(await Promise.all(looks)).toEqual([undefined, undefined, undefined])
    expect(await read).toBe('v1')
  })
})

describe('a value that is set', () => {
  test('is answered in every process, without a load', async () => {
    const { first, second, load, loads } = caches()
    await first.get('a', load)
    await second.get('a', load)
    await second.set('a', 'set')
    await time.settle()
    expect(await first.get('a', load)).toBe('set')
    expect(await second.get('a', load)).toBe('set')
    expect(loads()).toBe(1)
  })

  test.each([null, undefined, 0, '', false])('to %s is that', async (value) => {
    const { first, second, load } = caches()
    await first.set('a', value)
    expect(await second.get('a', load as () => unknown)).toBe(value)
    expect(await second.peek('a')).toEqual({ value, age: 0, stale: false })
  })

  test('and is not JSON is refused, without a store call', async () => {
    const { first, provider } = caches({ maxBytes: 100 })
    const code = 'ERR_HOLDFAST_INVALID_ARGUMENT'
    await expect(first.set('a', 1n)).rejects.toMatchObject({ code })
    await expect(first.set('a', 'x'.repeat(101))).rejects.toMatchObject({ code })
    expect(provider.calls).toEqual([])
  })
})

describe('a value that is deleted', () => {
  test('is loaded anew, in every process', async () => {
    const { first, second, load } = caches({ staleFor: 60_000 })
    await first.get('a', load)
    await second.get('a', load)
    expect(await first.delete('a')).toBe(true)
    await time.settle()
    expect(await second.get('a', load)).toBe('v2')
    expect(await first.get('a', load)).toBe('v2')
  })

  test('was not there when it says so', async () => {
    const { first } = caches()
    expect(await first.delete('a')).toBe(false)
  })

  test('goes alone, and `clear` takes all of this cache and of no other', async () => {
    const { first, second, provider, load } = caches({ staleFor: 60_000 })
    const other = new Cache({ provider, name: 'users2' })
    await other.get('a', () => 'other')
    const keys = ['a', 'b', 'x'.repeat(5_000)]
    for (const key of keys) await first.get(key, load)
    await first.delete('a')
    expect(await second.get('b', load)).toBe('v2')
    await first.clear()
    await time.settle()
    for (const key of keys) {
      expect(await second.peek(key)).toBeUndefined()
      expect(await first.peek(key)).toBeUndefined()
    }
    expect(await other.peek('a')).toMatchObject({ value: 'other' })
  })

  test('whose key is too long to be told of is dropped in other processes all the same', async () => {
    const { first, second, load } = caches()
    const key = 'x'.repeat(5_000)
    await first.get(key, load)
    await second.get(key, load)
    await second.delete(key)
    await time.settle()
    expect(await first.get(key, load)).toBe('v2')
  })
})

describe('memory', () => {
  test('forgets what was not used lately, and never more than it must', async () => {
    const { first, provider, load } = caches({ memory: { maxEntries: 3 } })
    await first.peek('warm')
    await time.settle()
    for (const key of ['a', 'b', 'c']) await first.get(key, load)
    await first.get('a', load)
    await first.get('d', load)
    const calls = provider.count('records.begin')
    for (const key of ['a', 'c', 'd']) await first.get(key, load)
    expect(provider.count('records.begin')).toBe(calls)
    await first.get('b', load)
    expect(provider.count('records.begin')).toBe(calls + 1)
  })

  test('of 20,000 values makes room for 20,000 more without looking at all of them each time', async () => {
    const { first } = caches({ memory: { maxEntries: 20_000 } })
    await first.peek('warm')
    await time.settle()
    for (let key = 0; key < 40_000; key++) await first.get(`${key}`, () => key)
    // A scan for each of them would be 400 million steps.
    expect(await first.get('39999', () => -1)).toBe(39_999)
  }, 20_000)

  test('can be left out: every read then asks the store', async () => {
    const { first, provider, load } = caches({ memory: false })
    for (let read = 0; read < 5; read++) expect(await first.get('a', load)).toBe('v1')
    expect(provider.count('records.begin')).toBe(5)
  })

  test('counts only while changes of others would be heard of', async () => {
    const { first, second, provider, load } = caches()
    provider.always('signals.listen', () => Promise.reject(new Error('NOPERM')))
    await first.get('a', load)
    await second.delete('a')
    expect(await first.get('a', load)).toBe('v2')
    const calls = provider.count('records.begin')
    await first.get('a', load)
    expect(provider.count('records.begin')).toBe(calls + 1)
    provider.always('signals.listen', undefined)
    await time.pass(1_000)
    for (let read = 0; read < 3; read++) {
      await first.get('b', load)
      await time.settle()
    }
    const after = provider.count('records.begin')
    await first.get('b', load)
    expect(provider.count('records.begin')).toBe(after)
  })
})
