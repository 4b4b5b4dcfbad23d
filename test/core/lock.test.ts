// Exclusive locks: one holder at a time, first come, first served.

import { describe, expect, test } from 'vitest'
import { isAcquireTimeoutError, Lock, MemoryAdapter } from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'
import { outcomeOf } from '../support/outcome-of.ts'

const time = fakeTime()

/** Locks of two processes on one key. */
function pair(options: { ttl?: number; owner?: string } = {}) {
  const provider = new MemoryAdapter()
  const make = () => new Lock(undefined, { provider, key: 'orders:42', ...options })
  return { provider, first: make(), second: make() }
}

describe('a lock', () => {
  test('is granted at once when nobody holds it', async () => {
    const guard = await pair().first.acquire()
    expect(guard.held).toBe(true)
    expect(guard.key).toBe('orders:42')
    expect(guard.signal.aborted).toBe(false)
    expect(() => guard.assertHeld()).not.toThrow()
    await guard.release()
  })

  test('excludes others for as long as it is held, and is handed on when it is released', async () => {
    const { first, second } = pair()
    const guard = await first.acquire()
    const waiting = second.acquire()
    await time.pass(100_000)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await guard.release()
    expect((await waiting).held).toBe(true)
    expect(guard.held).toBe(false)
  })

  test('excludes a second acquire of the same object: it is not re-entrant', async () => {
    const { first } = pair()
    await first.acquire()
    expect(await first.tryAcquire()).toBeUndefined()
  })

  test('excludes others with the same owner: the owner is a label and no identity', async () => {
    const { first, second } = pair({ owner: 'worker' })
    await first.acquire()
    expect(await second.tryAcquire()).toBeUndefined()
  })

  test('lets the holder and all waiters go one after the other, in the order in which they came', async () => {
    const { first, second } = pair()
    const order: number[] = []
    const holder = await first.acquire()
    const waiters = Array.from({ length: 20 }, async (_, i) => {
      const guard = await (i % 2 ? first : second).acquire()
      order.push(i)
      await time.settle()
      await guard.release()
    })
    await time.settle()
    await holder.release()
    await Promise.all(waiters)
    expect(order).toEqual([...Array(20).keys()])
  })

  test('comes free after its ttl when its holder has died', async () => {
    const { provider, first } = pair({ ttl: 10_000 })
    const dead = { resource: 'lock:orders:42', id: 'dead', ttl: 10_000, wait: false, meta: {} }
    await provider.grants.acquire({
      ...dead,
      ...{ weight: 1, capacity: 1, exclusive: true, inbox: { id: 'dead', listening: false } },
    })
    const waiting = first.acquire()
    await time.pass(9_999)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await time.pass(2)
    expect((await waiting).held).toBe(true)
  })

  test('gives every holder a greater fencing token than the one before', async () => {
    const { first, second } = pair()
    const tokens: number[] = []
    for (const lock of [first, second, first]) {
      await lock.run(({ fencingToken }) => tokens.push(fencingToken))
    }
    expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b))
    expect(tokens.every(Number.isSafeInteger)).toBe(true)
  })

  test('without provider and key is private to its object', async () => {
    const first = new Lock(undefined)
    const second = new Lock(undefined)
    await first.acquire()
    expect(await first.tryAcquire()).toBeUndefined()
    expect(await second.tryAcquire()).toBeDefined()
  })

  test('without provider is shared by all of the process that use its key', async () => {
    const key = crypto.randomUUID()
    await new Lock(undefined, { key }).acquire()
    expect(await new Lock(undefined, { key }).tryAcquire()).toBeUndefined()
  })

  test('does not touch a semaphore of the same key', async () => {
    const { Semaphore } = await import('../../src/index.ts')
    const provider = new MemoryAdapter()
    await new Lock(undefined, { provider, key: 'same' }).acquire()
    expect(await new Semaphore(1, { provider, key: 'same' }).tryAcquire()).toBeDefined()
  })
})

describe('tryAcquire', () => {
  test('answers undefined when the lock is held, without waiting', async () => {
    const { first, second } = pair()
    await first.acquire()
    expect(await second.tryAcquire()).toBeUndefined()
  })

  test('leaves nothing in the queue', async () => {
    const { first, second } = pair()
    const guard = await first.acquire()
    await second.tryAcquire()
    expect((await first.inspect()).waiters).toEqual([])
    await guard.release()
    expect((await first.inspect()).holders).toEqual([])
  })

  test('does not overtake those who wait', async () => {
    const { first, second } = pair()
    const guard = await first.acquire()
    const waiting = second.acquire()
    await time.settle()
    const released = guard.release()
    expect(await first.tryAcquire()).toBeUndefined()
    await released
    expect((await waiting).held).toBe(true)
  })
})

describe('run', () => {
  test('holds the lock while the function runs, and releases it after', async () => {
    const { first, second } = pair()
    const result = await first.run(async ({ signal, fencingToken }) => {
      expect(signal.aborted).toBe(false)
      expect(fencingToken).toBeGreaterThan(0)
      expect(await second.tryAcquire()).toBeUndefined()
      return 'done'
    })
    expect(result).toBe('done')
    expect(await second.tryAcquire()).toBeDefined()
  })

  test('releases the lock also when the function throws, and throws what it threw', async () => {
    const { first, second } = pair()
    const failure = new Error('from the work')
    await expect(
      first.run(() => {
        throw failure
      }),
    ).rejects.toBe(failure)
    expect(await second.tryAcquire()).toBeDefined()
  })

  test('does not call the function when the lock cannot be had', async () => {
    const { first, second } = pair()
    await first.acquire()
    let called = false
    const running = second.run(() => (called = true), { timeout: 0 })
    await expect(running).rejects.toSatisfy(isAcquireTimeoutError)
    expect(called).toBe(false)
  })
})

describe('inspect', () => {
  test('shows who holds and who waits, in order, with owners and what remains', async () => {
    const provider = new MemoryAdapter()
    const lock = (owner: string) => new Lock(undefined, { provider, key: 'k', ttl: 30_000, owner })
    const guard = await lock('a').acquire()
    void lock('b').acquire()
    await time.settle()
    void lock('c').acquire()
    await time.pass(1_000)
    const { holders, waiters } = await lock('d').inspect()
    expect(holders).toMatchObject([
      { meta: { owner: 'a' }, exclusive: true, token: guard.fencingToken, remaining: 29_000 },
    ])
    expect(waiters.map(({ meta }) => meta.owner)).toEqual(['b', 'c'])
  })

  test('shows nothing of a lock that nobody asked for', async () => {
    expect(await pair().first.inspect()).toEqual({ holders: [], waiters: [] })
  })
})

describe('a guard', () => {
  test('is released by `await using` at the end of its block', async () => {
    const { first, second } = pair()
    {
      await using guard = await first.acquire()
      expect(guard.held).toBe(true)
      expect(await second.tryAcquire()).toBeUndefined()
    }
    expect(await second.tryAcquire()).toBeDefined()
  })

  test('has no synchronous dispose, which could not wait for the store', async () => {
    const guard = await pair().first.acquire()
    expect(Symbol.dispose in guard).toBe(false)
    expect(Symbol.asyncDispose in guard).toBe(true)
  })
})
