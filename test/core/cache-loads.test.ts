// Loads of a cache: one at a time in all processes, shared by all who wait, and refused when the value changed meanwhile.

import { describe, expect, test } from 'vitest'
import {
  Cache,
  type CacheOptions,
  currentScope,
  isAbortedError,
  isTimeoutError,
  scope,
} from '../../src/index.ts'
import { source } from '../support/cached.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { answersAfter, faultyAdapter } from '../support/faulty-adapter.ts'

const time = fakeTime()

/** Caches of three processes, as far as they share nothing but the store. */
function caches(options: Partial<CacheOptions> = {}) {
  const provider = faultyAdapter()
  const make = () => new Cache({ provider, name: 'users', ttl: 1_000, ...options })
  return { provider, first: make(), second: make(), third: make(), ...source() }
}

describe('a missing value', () => {
  test('is loaded once for a thousand readers in four processes', async () => {
    const { first, second, third, provider, slow, pending, loads } = caches()
    const fourth = new Cache({ provider, name: 'users' })
    const all = [first, second, third, fourth]
    const reads = Array.from({ length: 1_000 }, (_, at) => (all[at % 4] as Cache).get('a', slow))
    await time.settle()
    expect(loads()).toBe(1)
    pending[0]?.resolve('value')
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['value']))
    expect(loads()).toBe(1)
  })

  test('is there for waiting processes as soon as it is loaded, by a message', async () => {
    const { first, second, slow, pending } = caches()
    const loading = first.get('a', slow)
    await time.settle()
    const waiting = second.get('a', slow)
    await time.settle()
    pending[0]?.resolve('value')
    await time.settle()
    // No time has passed.
    expect(await Promise.all([loading, waiting])).toEqual(['value', 'value'])
  })

  test('is there at once though the message overtakes the answer that says to wait for it', async () => {
    const { first, second, provider, slow, pending } = caches()
    await second.peek('warm')
    await time.settle()
    const loading = first.get('a', slow)
    await time.settle()
    const gate = deferred()
    provider.once('records.begin', answersAfter(gate.promise))
    const waiting = second.get('a', slow)
    await time.settle()
    pending[0]?.resolve('value')
    await loading
    await time.settle()
    gate.resolve()
    await time.settle()
    // No time has passed.
    expect(await waiting).toBe('value')
  })

  test('is found by a look after a second when the message is lost', async () => {
    const { first, second, provider, slow, pending } = caches()
    provider.always('signals.listen', () => new Promise(() => {}))
    const loading = first.get('a', slow)
    await time.settle()
    const waiting = second.get('a', slow)
    await time.settle()
    pending[0]?.resolve('value')
    await loading
    await time.pass(1_000)
    expect(await waiting).toBe('value')
  })

  test('is listened for once, though the answer to the first attempt comes after a second one', async () => {
    const { first, provider, load } = caches()
    const { signals } = provider.store
    const listen = signals.listen.bind(signals)
    let open = 0
    signals.listen = async (channel, listener) => {
      const listening = await listen(channel, listener)
      open++
      const close = (): void => {
        open--
        listening.close()
      }
      return { ...listening, close }
    }
    const gate = deferred()
    provider.once('signals.listen', answersAfter(gate.promise))
    await first.get('a', load)
    await time.pass(2_000)
    await first.peek('b')
    await time.settle()
    gate.resolve()
    await time.settle()
    expect(provider.count('signals.listen')).toBe(2)
    expect(open).toBe(1)
  })

  test('is loaded by another process when the one that loads it dies, once its lease is over', async () => {
    const { first, provider, load, loads } = caches({ lease: 5_000 })
    const begun = await provider.store.records.begin({
      ...{ record: 'cache:users:a', id: 'dead', lease: 5_000, ttl: 5_000 },
      ...{ takeover: 'rerun', waits: true, meta: {} },
    })
    expect(begun.state).toBe('claimed')
    const read = first.get('a', load)
    await time.pass(4_900)
    expect(loads()).toBe(0)
    await time.pass(200)
    expect(await read).toBe('v1')
  })

  test('is loaded for as long as it takes: the claim is renewed', async () => {
    const { first, second, slow, pending, loads } = caches({ lease: 3_000, loadTimeout: 120_000 })
    const reads = [first.get('a', slow), second.get('a', slow)]
    await time.pass(60_000)
    expect(loads()).toBe(1)
    pending[0]?.resolve('value')
    expect(await Promise.all(reads)).toEqual(['value', 'value'])
  })
})

describe('a loader that fails', () => {
  test('fails for all who wait for it with the same error, and the next caller loads again', async () => {
    const { first, slow, pending, load } = caches()
    const reads = [first.get('a', slow), first.get('a', slow), first.get('a', slow)]
    await time.settle()
    const error = new Error('database down')
    pending[0]?.reject(error)
    for (const read of reads) await expect(read).rejects.toBe(error)
    expect(await first.get('a', load)).toBe('v2')
  })

  test('at once, without a promise, leaves no claim behind', async () => {
    const { first, second, load } = caches()
    const broken = () => {
      throw new Error('broken')
    }
    await expect(first.get('a', broken)).rejects.toThrow('broken')
    await time.settle()
    expect(await second.get('a', load)).toBe('v1')
  })

  test('lets those who wait in other processes load, one after the other', async () => {
    const { first, second, third, slow, pending, loads } = caches()
    const reads = [first, second, third].map((cache) => cache.get('a', slow))
    const settled = Promise.allSettled(reads)
    for (let at = 0; at < 3; at++) {
      await time.settle()
      expect(loads()).toBe(at + 1)
      if (at < 2) pending[at]?.reject(new Error('down'))
    }
    pending[2]?.resolve('value')
    const ends = await settled
    expect(ends.map(({ status }) => status).toSorted()).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
    ])
  })

  test('is not called by several at a time, however many readers come while it fails', async () => {
    const { first, second } = caches()
    let running = 0
    let most = 0
    let runs = 0
    const failing = async () => {
      runs++
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 10))
      running--
      throw new Error('down')
    }
    const reads: Promise<unknown>[] = []
    for (let at = 0; at < 100; at++) {
      const read = (at % 2 ? first : second).get('a', failing)
      read.catch(() => {})
      reads.push(read)
      await time.pass(1)
    }
    await time.pass(1_000)
    await Promise.allSettled(reads)
    expect(most).toBe(1)
    expect(runs).toBeLessThan(100)
  })

  test('that hangs is given up after `loadTimeout`, and its claim with it', async () => {
    const { first, second, slow, pending, load } = caches({ loadTimeout: 2_000 })
    const read = first.get('a', slow)
    const expired = expect(read).rejects.toSatisfy(isTimeoutError)
    await time.pass(2_000)
    await expired
    expect(pending[0]?.signal.reason).toSatisfy(isTimeoutError)
    expect(await second.get('a', load)).toBe('v2')
    // What comes too late is nobody's.
    pending[0]?.resolve('late')
    await time.settle()
    expect(await first.get('a', load)).toBe('v2')
  })
})

describe('a change during a load wins', () => {
  const changes: Record<string, (cache: Cache) => Promise<unknown>> = {
    delete: (cache) => cache.delete('a'),
    set: (cache) => cache.set('a', 'new'),
    clear: (cache) => cache.clear(),
  }
  const cases = Object.keys(changes).flatMap((name) => [
    [name, 'this process', 'memory'] as const,
    [name, 'another process', 'memory'] as const,
    [name, 'this process', 'no memory'] as const,
    [name, 'another process', 'no memory'] as const,
  ])

  test.each(cases)('%s, in %s, with %s', async (name, where, memory) => {
    const { first, second, slow, pending, load } = caches(
      memory === 'memory' ? {} : { memory: false },
    )
    await first.peek('warm')
    await time.settle()
    const before = first.get('a', slow)
    await time.settle()
    await changes[name]?.(where === 'this process' ? first : second)
    // Whoever comes after the change does not get what was loaded before it.
    const after = first.get('a', load)
    await time.settle()
    pending[0]?.resolve('old')
    expect(await before).toBe('old')
    const now = name === 'set' ? 'new' : 'v2'
    expect(await after).toBe(now)
    for (const cache of [first, second, first]) expect(await cache.get('a', load)).toBe(now)
  })

  test('also for a reader that comes before the message does', async () => {
    const { first, second, provider, slow, pending, load } = caches()
    // Nobody hears of anything: only the store knows.
    provider.always('signals.listen', () => Promise.reject(new Error('NOPERM')))
    const before = first.get('a', slow)
    await time.settle()
    await second.delete('a')
    const after = first.get('a', load)
    await time.settle()
    pending[0]?.resolve('old')
    expect(await before).toBe('old')
    expect(await after).toBe('v2')
  })

  test('also when it is made between the answer of the store and its arrival', async () => {
    const { first, second, provider, load } = caches()
    await first.set('a', 'old')
    await first.peek('warm')
    await time.settle()
    const gate = deferred()
    provider.once('records.begin', answersAfter(gate.promise))
    const before = first.get('a', load)
    await time.settle()
    await second.set('a', 'new')
    await time.settle()
    gate.resolve()
    expect(await before).toBe('old')
    // What the late answer said is not remembered.
    expect(await first.get('a', load)).toBe('new')
  })

  test('also when it may have been missed: what was answered before messages came again', async () => {
    const { first, second, provider, load } = caches()
    const restored: (() => void)[] = []
    const { signals } = provider.store
    const listen = signals.listen.bind(signals)
    provider.store.signals.listen = (channel, listener) => {
      restored.push(() => listener.restored())
      return listen(channel, { ...listener, message: () => {} })
    }
    await first.peek('warm')
    await time.settle()
    await second.set('a', 'old')
    const gate = deferred()
    provider.once('records.begin', answersAfter(gate.promise))
    const before = first.get('a', load)
    await time.settle()
    await provider.store.records.remove('cache:users:a')
    for (const each of restored) each()
    gate.resolve()
    expect(await before).toBe('old')
    expect(await first.get('a', load)).toBe('v1')
  })

  test('also many times in a row: every reader gets a value that was loaded after it came', async () => {
    const { first, second, pending, slow } = caches()
    const reads: Promise<string>[] = []
    for (let at = 0; at < 10; at++) {
      reads.push(first.get('a', slow))
      await time.settle()
      await second.delete('a')
      await time.settle()
    }
    pending.forEach((load, at) => void load.resolve(`v${at}`))
    await time.settle()
    for (let at = 0; at < 10; at++) {
      const value = Number((await (reads[at] as Promise<string>)).slice(1))
      expect(value).toBeGreaterThanOrEqual(at)
    }
  })

  test('also over a refresh: what it brings is not kept', async () => {
    const { first, second, load, slow, pending } = caches({ refreshThreshold: 0.5 })
    await first.get('a', load)
    await time.pass(600)
    expect(await first.get('a', slow)).toBe('v1')
    await time.settle()
    await second.set('a', 'new')
    pending[0]?.resolve('refreshed before')
    await time.settle()
    for (const cache of [first, second]) expect(await cache.get('a', load)).toBe('new')
  })
})

describe('a reader that goes away', () => {
  test('does not end a load that others wait for', async () => {
    const { first, slow, pending } = caches()
    const controller = new AbortController()
    const gone = first.get('a', slow, { signal: controller.signal })
    const stays = first.get('a', slow)
    await time.settle()
    controller.abort(new Error('gone'))
    await expect(gone).rejects.toSatisfy(isAbortedError)
    expect(pending[0]?.signal.aborted).toBe(false)
    pending[0]?.resolve('value')
    expect(await stays).toBe('value')
  })

  test('as the last one ends it, and the next one loads anew', async () => {
    const { first, slow, pending, load } = caches()
    const controllers = [new AbortController(), new AbortController()]
    const reads = controllers.map(({ signal }) => first.get('a', slow, { signal }))
    await time.settle()
    for (const each of controllers) each.abort()
    for (const read of reads) await expect(read).rejects.toSatisfy(isAbortedError)
    expect(pending[0]?.signal.reason).toSatisfy(isAbortedError)
    const next = first.get('a', load)
    await time.settle()
    pending[0]?.reject(pending[0].signal.reason)
    await time.settle()
    expect(await next).toBe('v2')
  })

  test('because its time is up leaves the load to those who come later', async () => {
    const { first, slow, pending } = caches()
    const impatient = first.get('a', slow, { timeout: 50 })
    const expired = expect(impatient).rejects.toSatisfy(isTimeoutError)
    await time.pass(50)
    await expired
    expect(pending[0]?.signal.aborted).toBe(false)
    pending[0]?.resolve('value')
    await time.settle()
    expect(await first.get('a', slow)).toBe('value')
    expect(pending).toHaveLength(1)
  })

  test('before it came makes no store call', async () => {
    const { first, provider, load } = caches()
    const signal = AbortSignal.abort()
    await expect(first.get('a', load, { signal })).rejects.toSatisfy(isAbortedError)
    expect(provider.calls).toEqual([])
  })

  test('while the store is asked leaves no claim and no load', async () => {
    const { first, second, provider, slow, load, loads } = caches({ staleFor: 60_000 })
    await second.set('a', 'stale')
    await time.pass(1_000)
    for (const key of ['a', 'b']) {
      const gate = deferred()
      provider.once('records.begin', answersAfter(gate.promise))
      const controller = new AbortController()
      const gone = first.get(key, slow, { signal: controller.signal })
      await time.settle()
      controller.abort()
      await expect(gone).rejects.toSatisfy(isAbortedError)
      gate.resolve()
      await time.settle()
    }
    expect(loads()).toBe(0)
    expect(provider.events).toEqual([])
    expect(await second.get('b', load)).toBe('v1')
    expect(await second.get('a', load)).toBe('stale')
    await time.settle()
    expect(await second.get('a', load)).toBe('v2')
  })

  test('while another process loads is answered at once', async () => {
    const { first, second, slow } = caches()
    void first.get('a', slow)
    await time.settle()
    const controller = new AbortController()
    const gone = second.get('a', slow, { signal: controller.signal })
    await time.settle()
    controller.abort()
    await expect(gone).rejects.toSatisfy(isAbortedError)
  })
})

describe('a refresh', () => {
  test('begins when the share of the ttl is left, behind a reader that is answered at once', async () => {
    const { first, second, load, loads, slow, pending } = caches({ refreshThreshold: 0.2 })
    await first.get('a', load)
    await second.get('a', load)
    await time.pass(799)
    expect(await first.get('a', slow)).toBe('v1')
    await time.settle()
    expect(loads()).toBe(1)
    await time.pass(1)
    for (let read = 0; read < 10; read++) {
      expect(await first.get('a', slow)).toBe('v1')
      expect(await second.get('a', slow)).toBe('v1')
      await time.settle()
    }
    expect(loads()).toBe(2)
    pending[0]?.resolve('fresh')
    await time.settle()
    await time.pass(1)
    for (const cache of [first, second]) expect(await cache.get('a', slow)).toBe('fresh')
    await time.pass(500)
    expect(await first.get('a', slow)).toBe('fresh')
    expect(loads()).toBe(2)
  })

  test('serves the stale value for `staleFor` and not longer', async () => {
    const { first, load, slow } = caches({ staleFor: 5_000 })
    await first.get('a', load)
    await time.pass(5_999)
    expect(await first.get('a', slow)).toBe('v1')
    await time.pass(1)
    const read = first.get('a', slow, { timeout: 50 })
    const expired = expect(read).rejects.toSatisfy(isTimeoutError)
    await time.pass(50)
    await expired
  })

  test('keeps the value apart in a store that outlives its ttl, for every process', async () => {
    const { first, second, load, slow } = caches({ staleFor: 5_000 })
    await first.get('a', load)
    await time.pass(3_000)
    // It has nothing in memory: this is what the store kept.
    expect(await second.get('a', slow)).toBe('v1')
  })

  test('that fails leaves the value, says so in an event, and is not tried again at once', async () => {
    const { first, second, provider, load } = caches({ staleFor: 60_000 })
    await first.get('a', load)
    await time.pass(1_000)
    let runs = 0
    const failing = () => {
      runs++
      throw new Error('database down')
    }
    for (let read = 0; read < 20; read++) {
      expect(await first.get('a', failing)).toBe('v1')
      expect(await second.get('a', failing)).toBe('v1')
      await time.pass(10)
    }
    expect(runs).toBe(1)
    expect(provider.events).toMatchObject([
      { name: 'holdfast.cache.refresh.exception', key: 'a', error: { message: 'database down' } },
    ])
    await time.pass(2_000)
    expect(await first.get('a', load)).toBe('v1')
    await time.settle()
    expect(await first.get('a', load)).toBe('v2')
  })

  test('elsewhere is looked after once a second, however much is read', async () => {
    const { first, second, provider, load, slow, pending } = caches({ staleFor: 60_000 })
    for (const cache of [first, second]) await cache.get('a', load)
    await time.pass(1_000)
    void first.get('a', slow)
    await time.settle()
    const before = provider.count('records.begin')
    for (let read = 0; read < 100; read++) {
      expect(await second.get('a', slow)).toBe('v1')
      await time.pass(10)
    }
    expect(provider.count('records.begin') - before).toBeLessThanOrEqual(2)
    expect(pending).toHaveLength(1)
  })

  test('does not end with the reader that set it off', async () => {
    const { first, load, slow, pending } = caches({ staleFor: 60_000 })
    await first.get('a', load)
    await time.pass(1_000)
    const controller = new AbortController()
    expect(await first.get('a', slow, { signal: controller.signal })).toBe('v1')
    await time.settle()
    controller.abort()
    expect(pending[0]?.signal.aborted).toBe(false)
    pending[0]?.resolve('fresh')
    await time.settle()
    expect(await first.get('a', load)).toBe('fresh')
  })

  test('is not part of the scope of the reader that set it off', async () => {
    const { first, load } = caches({ staleFor: 60_000 })
    await first.get('a', load)
    await time.pass(1_000)
    const s = scope({ name: 'request' })
    const seen: (string | undefined)[] = []
    const [error, value] = await s.task(() =>
      first.get('a', () => {
        seen.push(currentScope()?.name)
        return 'fresh'
      }),
    )
    await time.settle()
    expect([error, value, seen]).toEqual([undefined, 'v1', [undefined]])
    await s[Symbol.asyncDispose]()
  })

  test('without memory also answers everybody at once, and loads once', async () => {
    const { first, second, load, slow, loads } = caches({ staleFor: 60_000, memory: false })
    await first.get('a', load)
    await time.pass(1_000)
    const reads: Promise<string>[] = []
    for (let read = 0; read < 10; read++) {
      reads.push(first.get('a', slow), second.get('a', slow))
      await time.settle()
    }
    expect(new Set(await Promise.all(reads))).toEqual(new Set(['v1']))
    expect(loads()).toBe(2)
  })
})
