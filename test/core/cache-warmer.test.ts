// Warmed entries: loaded before anybody asks, by one process at a time, and refreshed before they end.

import { describe, expect, test } from 'vitest'
import {
  CacheWarmer,
  type CacheWarmerOptions,
  isClosedError,
  isTimeoutError,
  type Scope,
  scope,
} from '../../src/index.ts'
import { source } from '../support/cached.ts'
import { fakeTime } from '../support/fake-time.ts'
import { fails, faultyAdapter } from '../support/faulty-adapter.ts'

const time = fakeTime()

/** Warmers of several processes, as far as they share nothing but the store. */
function warmers(count = 1, options: CacheWarmerOptions = {}) {
  const provider = faultyAdapter()
  const scopes = Array.from({ length: count }, () => scope())
  const all = scopes.map((s) => new CacheWarmer(s, provider, { checkInterval: 1_000, ...options }))
  return {
    provider,
    scopes: scopes as [Scope, Scope, Scope],
    all: all as [CacheWarmer, CacheWarmer, CacheWarmer],
    ...source(),
  }
}

describe('an entry', () => {
  test('is loaded before anybody asks for it', async () => {
    const { all, load, loads } = warmers()
    const entry = all[0].register('a', { fetcher: load })
    await time.settle()
    expect(loads()).toBe(1)
    expect(await entry.get()).toEqual([undefined, 'v1'])
    expect(loads()).toBe(1)
  })

  test('is refreshed when the share of its ttl is left, though nobody reads it', async () => {
    const { all, load, loads } = warmers()
    const entry = all[0].register('a', { fetcher: load, ttl: 60_000, refreshThreshold: 0.2 })
    await time.pass(48_000)
    expect(loads()).toBe(1)
    // 80 % to 85 %, and then the next check.
    await time.pass(5_000)
    expect(loads()).toBe(2)
    expect(await entry.get()).toEqual([undefined, 'v2'])
    await time.pass(600_000)
    expect(loads()).toBeGreaterThanOrEqual(12)
    expect(loads()).toBeLessThanOrEqual(15)
  })

  test('has the default ttl and threshold where it says nothing', async () => {
    const { all, load, loads } = warmers(1, { defaultTTL: 10_000, defaultRefreshThreshold: 0.5 })
    all[0].register('a', { fetcher: load })
    await time.pass(5_000)
    expect(loads()).toBe(1)
    await time.pass(3_000)
    expect(loads()).toBe(2)
  })

  test('that cannot be loaded answers its last value for one more ttl, and then the error', async () => {
    const { all } = warmers()
    let down = false
    const entry = all[0].register('a', {
      fetcher: () => {
        if (down) throw new Error('database down')
        return 'value'
      },
      ttl: 60_000,
    })
    await time.settle()
    down = true
    await time.pass(115_000)
    expect(await entry.get()).toEqual([undefined, 'value'])
    await time.pass(10_000)
    const [error, value] = await entry.get()
    expect(error).toMatchObject({ message: 'database down' })
    expect(value).toBeUndefined()
    down = false
    await time.pass(12_000)
    expect(await entry.get()).toEqual([undefined, 'value'])
  })

  test('tells of what was loaded and of what failed, and a callback that throws harms nothing', async () => {
    const { all, provider } = warmers()
    const told: unknown[] = []
    let down = false
    all[0].register('a', {
      fetcher: () => {
        if (down) throw new Error('database down')
        return { id: 7 }
      },
      ttl: 10_000,
      onRefresh: ({ id }) => {
        told.push(id)
        throw new Error('of the callback')
      },
      onError: (error) => {
        told.push(error.message)
        throw new Error('of the other callback')
      },
    })
    await time.settle()
    down = true
    await time.pass(10_000)
    expect(told.slice(0, 2)).toEqual([7, 'database down'])
    const messages = provider.events
      .filter(({ name }) => name === 'holdfast.callback.failed')
      .map(({ error }) => (error as Error).message)
    expect(messages.slice(0, 2)).toEqual(['of the callback', 'of the other callback'])
  })

  test.each([null, undefined])('may be %s, which is then its value', async (nothing) => {
    const { all } = warmers()
    let runs = 0
    const fetcher = () => {
      runs++
      return nothing
    }
    const entry = all[0].register('a', { fetcher })
    await time.settle()
    expect(all[0].coverage()).toBe(1)
    for (let read = 0; read < 3; read++) expect(await entry.get()).toEqual([undefined, nothing])
    await time.pass(5_000)
    expect(runs).toBe(1)
  })

  test('that is invalidated is loaded anew at once, for every process', async () => {
    const { all, load } = warmers(2)
    const [mine, others] = all.slice(0, 2).map((each) => each.register('a', { fetcher: load }))
    await time.pass(1_000)
    expect(await others?.get()).toEqual([undefined, 'v1'])
    await mine?.invalidate()
    expect(await others?.get()).toEqual([undefined, 'v2'])
    expect(await mine?.get()).toEqual([undefined, 'v2'])
  })

  test('that is invalidated while it is loaded does not get the old value', async () => {
    const { all, slow, pending } = warmers()
    const entry = all[0].register('a', { fetcher: slow })
    await time.settle()
    await entry.invalidate()
    const reads = Array.from({ length: 20 }, () => entry.get())
    await time.settle()
    pending[0]?.resolve('old')
    await time.settle()
    // Twenty readers after it are one load.
    expect(pending).toHaveLength(2)
    pending[1]?.resolve('new')
    for (const read of reads) expect(await read).toEqual([undefined, 'new'])
  })

  test('that does not refresh is loaded at the start, and then by the reader who comes after its ttl', async () => {
    const { all, load, loads } = warmers()
    const entry = all[0].register('a', { fetcher: load, ttl: 10_000, backgroundRefresh: false })
    await time.pass(30_000)
    expect(loads()).toBe(1)
    expect(await entry.get()).toEqual([undefined, 'v2'])
    await time.pass(9_000)
    expect(await entry.get()).toEqual([undefined, 'v2'])
  })

  test('is not kept warm any more once it is unregistered, and can be registered anew', async () => {
    const { all, load, loads } = warmers()
    const entry = all[0].register('a', { fetcher: load, ttl: 10_000 })
    expect(() => all[0].register('a', { fetcher: load })).toThrow(/^'a' is registered already/)
    await time.settle()
    entry.unregister()
    await time.pass(60_000)
    expect(loads()).toBe(1)
    all[0].register('a', { fetcher: load, ttl: 10_000 })
    entry.unregister()
    await time.pass(60_000)
    expect(loads()).toBeGreaterThan(5)
  })
})

test('what is read after it was unregistered is not remembered', async () => {
  const { all, load, slow, pending, loads } = warmers()
  const entry = all[0].register('a', { fetcher: load, backgroundRefresh: false })
  await time.settle()
  const before = all[0].register('b', { fetcher: slow })
  await time.settle()
  entry.unregister()
  before.unregister()
  pending[0]?.resolve('loaded meanwhile')
  await time.settle()
  expect(await entry.get()).toEqual([undefined, 'v1'])
  all[0].register('a', { fetcher: load })
  all[0].register('b', { fetcher: load })
  expect(all[0].coverage()).toBe(0)
  expect(loads()).toBe(2)
})

describe('of several processes', () => {
  test('one warms at a time, and the others take over what it has loaded', async () => {
    const { all, provider } = warmers(3)
    const loadedBy = new Set<number>()
    const entries = all.map((warmer, process) =>
      Array.from({ length: 5 }, (_, at) =>
        warmer.register(`entry-${at}`, {
          fetcher: () => {
            loadedBy.add(process)
            return `value ${at}`
          },
          ttl: 10_000,
        }),
      ),
    )
    await Promise.all(all.map((warmer) => Promise.all([warmer.ready(), time.pass(2_000)])))
    await time.pass(120_000)
    expect(loadedBy.size).toBe(1)
    const calls = provider.count('records.commit')
    for (const of of entries) {
      expect(await of[3]?.get()).toEqual([undefined, 'value 3'])
    }
    expect(provider.count('records.commit')).toBe(calls)
  })

  test('another one warms when the one that did has ended', async () => {
    const { all, scopes } = warmers(2)
    const loadedBy: number[] = []
    for (const [process, warmer] of all.entries()) {
      warmer.register('a', { fetcher: () => loadedBy.push(process), ttl: 10_000 })
    }
    await time.pass(30_000)
    const [leader = -1] = loadedBy
    expect(new Set(loadedBy)).toEqual(new Set([leader]))
    await scopes[leader]?.[Symbol.asyncDispose]()
    loadedBy.length = 0
    await time.pass(30_000)
    expect(new Set(loadedBy)).toEqual(new Set([1 - leader]))
  })

  test('one loads itself what the one that warms does not know', async () => {
    const { all, load } = warmers(2)
    all[0].register('old', { fetcher: () => 'old' })
    await time.settle()
    const entry = all[1].register('new', { fetcher: load })
    await Promise.all([all[1].ready({ timeout: 5_000 }), time.pass(3_000)])
    expect(await entry.get()).toEqual([undefined, 'v1'])
  })

  test('no more than `concurrency` loads run at a time', async () => {
    const { all } = warmers(1, { concurrency: 3 })
    let running = 0
    let most = 0
    for (let at = 0; at < 20; at++) {
      all[0].register(`${at}`, {
        fetcher: async () => {
          most = Math.max(most, ++running)
          await new Promise((resolve) => setTimeout(resolve, 100))
          running--
          return at
        },
      })
    }
    await time.pass(5_000)
    expect(most).toBe(3)
    expect(all[0].coverage()).toBe(1)
  })
})

describe('a warmer', () => {
  test('is ready when enough of its entries have a value', async () => {
    const { all, slow, pending } = warmers()
    expect(all[0].coverage()).toBe(1)
    for (const key of ['a', 'b', 'c', 'd']) all[0].register(key, { fetcher: slow })
    const steps: string[] = []
    const half = all[0].ready({ minRatio: 0.5 }).then(() => steps.push('half'))
    const whole = all[0].ready().then(() => steps.push('whole'))
    await time.settle()
    expect(all[0].coverage()).toBe(0)
    pending[0]?.resolve('value')
    await time.settle()
    expect([all[0].coverage(), ...steps]).toEqual([0.25])
    pending[1]?.resolve('value')
    await time.settle()
    expect([all[0].coverage(), ...steps]).toEqual([0.5, 'half'])
    pending[2]?.resolve('value')
    pending[3]?.resolve('value')
    await Promise.all([half, whole])
    expect([all[0].coverage(), ...steps]).toEqual([1, 'half', 'whole'])
  })

  test('is refreshed no later for being asked whether it is ready', async () => {
    const { all, load, loads } = warmers()
    all[0].register('a', { fetcher: load, ttl: 10_000, refreshThreshold: 0.5 })
    await time.settle()
    for (let probe = 0; probe < 90; probe++) {
      await all[0].ready({ timeout: 50 })
      await time.pass(100)
    }
    expect(loads()).toBe(2)
  })

  test('that is not ready in time says how far it is', async () => {
    const { all, slow } = warmers()
    all[0].register('a', { fetcher: slow })
    all[0].register('b', { fetcher: () => 'value' })
    const ready = all[0].ready({ timeout: 500 })
    const late = expect(ready).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_TIMEOUT',
      message: "50 % of the entries of 'cache_warmer' are warm after 500 ms",
    })
    await time.pass(500)
    await late
    await expect(ready).rejects.toSatisfy(isTimeoutError)
  })

  test('ends with its scope: nothing is loaded, and everybody who waits is told', async () => {
    const { all, scopes, slow, pending, loads } = warmers()
    const entry = all[0].register('a', { fetcher: slow, ttl: 10_000 })
    await time.settle()
    const ready = all[0].ready()
    const told = expect(ready).rejects.toSatisfy(isClosedError)
    const read = entry.get()
    await time.settle()
    await scopes[0][Symbol.asyncDispose]()
    await told
    const [error] = await read
    expect(error).toSatisfy(isClosedError)
    expect(pending[0]?.signal.aborted).toBe(true)
    pending[0]?.reject(pending[0].signal.reason)
    await time.pass(60_000)
    expect(loads()).toBe(1)
    expect((await entry.get())[0]).toSatisfy(isClosedError)
    expect(() => all[0].register('b', { fetcher: slow })).toThrow(expect.toSatisfy(isClosedError))
  })

  test('goes on without the store: each process loads for itself', async () => {
    const { all, provider, load } = warmers(2)
    const gone = fails(new Error('ECONNREFUSED'))
    for (const call of ['begin', 'commit', 'drop', 'renew'] as const) {
      provider.always(`records.${call}`, gone)
    }
    provider.always('grants.acquire', gone)
    const entries = all.slice(0, 2).map((each) => each.register('a', { fetcher: load }))
    await time.pass(3_000)
    for (const each of all.slice(0, 2)) expect(each.coverage()).toBe(1)
    for (const entry of entries) expect((await entry.get())[0]).toBeUndefined()
  })
})
