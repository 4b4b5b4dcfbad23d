// Waiting for one's turn: how it ends, and that nothing of it is left behind.

import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  isAbortedError,
  isAcquireTimeoutError,
  isClosedError,
  isQueueFullError,
  Lock,
  LockGuard,
  type LockOptions,
  MemoryAdapter,
  Semaphore,
  scope,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { answersAfter, faultyAdapter } from '../support/faulty-adapter.ts'
import { outcomeOf } from '../support/outcome-of.ts'

const time = fakeTime()

const resource = 'lock:orders:42'

function lockOn(
  provider: MemoryAdapter | ReturnType<typeof faultyAdapter>,
  options: LockOptions = {},
) {
  return new Lock(undefined, { provider, key: 'orders:42', ...options })
}

/** A store in which somebody holds the lock for good. */
async function held() {
  const provider = faultyAdapter()
  const holder = await lockOn(provider.store).acquire()
  return { provider, holder, lock: lockOn(provider) }
}

describe('a timeout', () => {
  test('ends the wait after its time, not before', async () => {
    const { lock } = await held()
    const waiting = lock.acquire({ timeout: 5_000 })
    waiting.catch(() => {})
    await time.pass(4_999)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await time.pass(1)
    await expect(waiting).rejects.toSatisfy(isAcquireTimeoutError)
    await expect(waiting).rejects.toMatchObject({
      message: "Could not acquire 'orders:42' within 5000 ms",
      key: 'orders:42',
      code: 'ERR_HOLDFAST_ACQUIRE_TIMEOUT',
    })
  })

  test('takes the waiter out of the queue, so that the lock is not handed to nobody', async () => {
    const { provider, holder, lock } = await held()
    const waiting = lock.acquire({ timeout: 100 })
    waiting.catch(() => {})
    await time.pass(100)
    expect((await provider.grants.inspect(resource)).waiters).toEqual([])
    await holder.release()
    expect((await provider.grants.inspect(resource)).holders).toEqual([])
  })

  test('of 0 tries once, and queues nothing', async () => {
    const { provider, lock } = await held()
    await expect(lock.acquire({ timeout: 0 })).rejects.toThrow("'orders:42' is locked (tried once)")
    expect(provider.calls).toEqual(['grants.acquire'])
    expect((await provider.grants.inspect(resource)).waiters).toEqual([])
  })

  test('of 0 acquires what is free', async () => {
    const guard = await lockOn(new MemoryAdapter()).acquire({ timeout: 0 })
    expect(guard.held).toBe(true)
  })

  test('of Infinity, and none, wait for as long as it takes', async () => {
    const { holder, lock } = await held()
    const waiting = [lock.acquire({ timeout: Number.POSITIVE_INFINITY }), lock.acquire()]
    await time.pass(3_600_000)
    expect(await outcomeOf(Promise.race(waiting))).toEqual({ state: 'pending' })
    await holder.release()
    expect((await waiting[0])?.held).toBe(true)
  })

  test('of ninety days does not fire at once, though no timer can hold it', async () => {
    const { lock } = await held()
    const waiting = lock.acquire({ timeout: 90 * 86_400_000 })
    waiting.catch(() => {})
    await time.pass(60_000)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
  })
})

describe('a signal that is aborted already', () => {
  test('rejects without any store call', async () => {
    const provider = faultyAdapter()
    const reason = new Error('too late')
    const acquired = lockOn(provider).acquire({ signal: AbortSignal.abort(reason) })
    await expect(acquired).rejects.toSatisfy(isAbortedError)
    await expect(acquired).rejects.toMatchObject({ cause: reason, key: 'orders:42' })
    await time.pass(10_000)
    expect(provider.calls).toEqual([])
  })

  test('of the lock itself rejects every acquire and try', async () => {
    const provider = faultyAdapter()
    const lock = new Lock(AbortSignal.abort(), { provider, key: 'k', allowMultipleReaders: true })
    for (const acquired of [lock.acquire(), lock.tryAcquire(), lock.read(), lock.tryWrite()]) {
      await expect(acquired).rejects.toSatisfy(isAbortedError)
    }
    expect(provider.calls).toEqual([])
  })
})

describe('a signal that aborts', () => {
  test('while queued takes the waiter out of the queue', async () => {
    const { provider, holder, lock } = await held()
    const controller = new AbortController()
    const waiting = lock.acquire({ signal: controller.signal })
    waiting.catch(() => {})
    await time.settle()
    expect((await provider.grants.inspect(resource)).waiters).toHaveLength(1)
    controller.abort()
    await expect(waiting).rejects.toSatisfy(isAbortedError)
    await time.settle()
    expect((await provider.grants.inspect(resource)).waiters).toEqual([])
    await holder.release()
    expect(await lock.tryAcquire()).toBeDefined()
  })

  test('while the first request is on its way gives the grant back when it comes', async () => {
    const provider = faultyAdapter()
    const gate = deferred()
    provider.once('grants.acquire', answersAfter(gate.promise))
    const controller = new AbortController()
    const waiting = lockOn(provider).acquire({ signal: controller.signal })
    waiting.catch(() => {})
    await time.settle()
    controller.abort()
    await expect(waiting).rejects.toSatisfy(isAbortedError)
    expect((await provider.grants.inspect(resource)).holders).toHaveLength(1)
    expect(provider.count('grants.release')).toBe(0)
    gate.resolve()
    await time.settle()
    expect((await provider.grants.inspect(resource)).holders).toEqual([])
  })

  test('while the claim is on its way passes the lock on', async () => {
    const { provider, holder, lock } = await held()
    const gate = deferred()
    provider.once('grants.renew', answersAfter(gate.promise))
    const controller = new AbortController()
    const waiting = lock.acquire({ signal: controller.signal })
    waiting.catch(() => {})
    await time.settle()
    const next = lockOn(provider.store).acquire()
    await time.settle()
    await holder.release()
    await time.settle()
    controller.abort()
    await expect(waiting).rejects.toSatisfy(isAbortedError)
    expect(await outcomeOf(next)).toEqual({ state: 'pending' })
    gate.resolve()
    await time.settle()
    expect((await next).held).toBe(true)
  })

  test('with an error of this library rejects with that error', async () => {
    const s = scope()
    const { lock } = await held()
    const waiting = lock.acquire({ signal: s.signal })
    waiting.catch(() => {})
    await time.settle()
    await s[Symbol.asyncDispose]()
    await expect(waiting).rejects.toSatisfy(isClosedError)
  })

  test('ends only the waiters that were given it', async () => {
    const { holder, lock } = await held()
    const controller = new AbortController()
    const aborted = lock.acquire({ signal: controller.signal })
    aborted.catch(() => {})
    const other = lock.acquire()
    await time.settle()
    controller.abort()
    await expect(aborted).rejects.toSatisfy(isAbortedError)
    await holder.release()
    expect((await other).held).toBe(true)
  })
})

describe('a long-lived signal', () => {
  const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

  test('has one listener for a thousand waiters, and none after the last', async () => {
    const { provider, holder } = await held()
    const { signal } = new AbortController()
    const lock = new Lock(signal, { provider, key: 'orders:42' })
    const waiting = Array.from({ length: 1_000 }, async () => (await lock.acquire()).release())
    await time.settle()
    expect(listeners(signal)).toBe(1)
    await holder.release()
    await Promise.all(waiting)
    expect(listeners(signal)).toBe(0)
  })

  test('has no listener left after a timeout, a refusal, a try, or a run', async () => {
    const { provider, holder } = await held()
    const { signal } = new AbortController()
    const lock = new Lock(signal, { provider, key: 'orders:42' })
    const timedOut = lock.acquire({ timeout: 50, signal })
    timedOut.catch(() => {})
    await time.pass(50)
    await lock.acquire({ timeout: 0, signal }).catch(() => {})
    await lock.tryAcquire()
    await holder.release()
    await lock.run(() => {}, { signal })
    expect(listeners(signal)).toBe(0)
  })

  test('of a lock has one listener while something is held, however much', async () => {
    const { signal } = new AbortController()
    const guards = []
    for (let i = 0; i < 100; i++) {
      const lock = new Lock(signal, { provider: new MemoryAdapter(), key: 'k' })
      guards.push(await lock.acquire())
    }
    expect(listeners(signal)).toBe(1)
    for (const guard of guards) await guard.release()
    expect(listeners(signal)).toBe(0)
  })
})

describe('the end of a lock’s own signal', () => {
  test('ends its waiters and releases its guards', async () => {
    const provider = new MemoryAdapter()
    const controller = new AbortController()
    const lock = new Lock(controller.signal, { provider, key: 'orders:42' })
    const guard = await lock.acquire()
    const waiting = lock.acquire()
    waiting.catch(() => {})
    await time.settle()
    controller.abort(new Error('shutting down'))
    await expect(waiting).rejects.toSatisfy(isAbortedError)
    await time.settle()
    expect(guard.held).toBe(false)
    expect(guard.signal.aborted).toBe(true)
    expect(await lockOn(provider).tryAcquire()).toBeDefined()
  })
})

describe('a grant that comes in the turn in which the lock’s own signal aborts', () => {
  /** Acquires, and aborts so many turns of the microtask queue later. */
  async function acquiredBeside(lock: Lock, turns: number, abort: () => void) {
    const acquired = lock.acquire()
    for (let turn = 0; turn < turns; turn++) await undefined
    abort()
    return await acquired.catch((error: unknown) => error)
  }

  test('is refused or released, whichever turn it is', async () => {
    for (let turns = 0; turns < 60; turns++) {
      const provider = new MemoryAdapter()
      const controller = new AbortController()
      const lock = new Lock(controller.signal, { provider, key: 'orders:42' })
      const outcome = await acquiredBeside(lock, turns, () => controller.abort(new Error('over')))
      await time.settle()
      const ended = outcome instanceof LockGuard ? outcome.signal.aborted : isAbortedError(outcome)
      expect(ended, `after ${turns} turns`).toBe(true)
      expect((await provider.grants.inspect(resource)).holders, `after ${turns} turns`).toEqual([])
    }
  })

  test('is refused or released at the end of a scope, too', async () => {
    for (let turns = 0; turns < 60; turns++) {
      const provider = new MemoryAdapter()
      const s = scope({ provider })
      const lock = new Lock(s.signal, { key: 'orders:42' })
      const outcome = await acquiredBeside(lock, turns, () => void s[Symbol.asyncDispose]())
      await s[Symbol.asyncDispose]()
      await time.settle()
      const ended = outcome instanceof LockGuard ? outcome.signal.aborted : isClosedError(outcome)
      expect(ended, `after ${turns} turns`).toBe(true)
      expect((await provider.grants.inspect(resource)).holders, `after ${turns} turns`).toEqual([])
    }
  })
})

describe('maxWaiters', () => {
  test('bounds how many callers of one process wait for one key', async () => {
    const { provider, holder } = await held()
    const lock = lockOn(provider, { maxWaiters: 2 })
    const waiting = [lock.acquire(), lock.acquire()]
    await time.settle()
    await expect(lock.acquire()).rejects.toSatisfy(isQueueFullError)
    await expect(lock.acquire()).rejects.toThrow(
      "2 callers of this process wait for 'orders:42' already (`maxWaiters`)",
    )
    await holder.release()
    await (await waiting[0])?.release()
    expect((await waiting[1])?.held).toBe(true)
  })

  test('refuses without a store call once they are known to be too many', async () => {
    const { provider } = await held()
    const lock = lockOn(provider, { maxWaiters: 1 })
    void lock.acquire()
    await time.settle()
    const before = provider.calls.length
    await expect(lock.acquire()).rejects.toSatisfy(isQueueFullError)
    expect(provider.calls.length).toBe(before)
  })

  test('bounds them also when they all come at once', async () => {
    const { provider } = await held()
    const lock = lockOn(provider, { maxWaiters: 3 })
    const outcomes = Array.from({ length: 10 }, () => lock.acquire())
    for (const each of outcomes) each.catch(() => {})
    await time.settle()
    const states = await Promise.all(outcomes.map(outcomeOf))
    expect(states.filter(({ state }) => state === 'pending')).toHaveLength(3)
    const refused = states.filter((each) => each.state === 'rejected')
    expect(refused.every(({ error }) => isQueueFullError(error))).toBe(true)
    expect((await provider.grants.inspect(resource)).waiters).toHaveLength(3)
  })

  test('does not count those that need not wait', async () => {
    const semaphore = new Semaphore(50, { provider: new MemoryAdapter(), key: 'k', maxWaiters: 1 })
    const permits = await Promise.all(Array.from({ length: 50 }, () => semaphore.acquire()))
    expect(permits.every(({ held }) => held)).toBe(true)
  })

  test('lets a try pass, which does not wait', async () => {
    const { provider } = await held()
    const lock = lockOn(provider, { maxWaiters: 1 })
    void lock.acquire()
    await time.settle()
    expect(await lock.tryAcquire()).toBeUndefined()
    await expect(lock.acquire({ timeout: 0 })).rejects.toSatisfy(isAcquireTimeoutError)
  })

  test('counts each key for itself', async () => {
    const { provider } = await held()
    const other = new Lock(undefined, { provider, key: 'other', maxWaiters: 1 })
    await other.acquire()
    void lockOn(provider, { maxWaiters: 1 }).acquire()
    await time.settle()
    const waiting = other.acquire()
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
  })
})

describe('five thousand waiters', () => {
  test('are all served, in order, by one beat a second', async () => {
    const { provider, holder, lock } = await held()
    const served: number[] = []
    const waiting = Array.from({ length: 5_000 }, async (_, i) => {
      const guard = await lock.acquire()
      served.push(i)
      await guard.release()
    })
    await time.pass(10_000)
    expect(provider.count('grants.beat')).toBeLessThanOrEqual(10)
    await holder.release()
    await Promise.all(waiting)
    expect(served).toEqual([...Array(5_000).keys()])
  })
})
